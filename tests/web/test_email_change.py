"""Changes of an email address: who may make them, how they are confirmed, and which links they invalidate."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from checkend.auth import login_throttle, password_reset
from checkend.db.session import db
from checkend.models import User
from tests.support.factories import Factory
from tests.support.mail_server import MailServer, send_mail
from tests.support.pages import PASSWORD, sign_in, submit

ADA, NEW = "ada@example.com", "ada@new.example"


def _change(client: FlaskClient, address: str = NEW, password: str = PASSWORD) -> TestResponse:
    return submit(client, "/account", {"email_address": address, "current_password": password})


@pytest.fixture
def ada(mailing: Flask) -> FlaskClient:
    """Provide a browser of a user who is signed in to a server that sends mail."""
    client = mailing.test_client()
    sign_in(client, ADA)
    return client


def _mailed_link(app: Flask, mail_server: MailServer, kind: str = "confirm-email") -> str:
    send_mail(app)
    payload = mail_server.mails[-1][1].get_payload(decode=True)
    assert isinstance(payload, bytes)
    link = re.search(rf"https://errors\.example\.com(/{kind}/\S+)", payload.decode())
    assert link
    return link[1]


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_change_of_the_email_address_asks_for_the_current_password(
    app: Flask, client: FlaskClient, make: Factory, password: str
) -> None:
    make.user(ADA)
    sign_in(client, ADA)
    assert _change(client, password=password).status_code == 422
    sign_in(app.test_client(), ADA)


def test_without_mail_the_email_address_changes_at_once(app: Flask, client: FlaskClient, make: Factory) -> None:
    make.user(ADA)
    sign_in(client, ADA)
    assert _change(client).status_code == 302
    sign_in(app.test_client(), NEW)


def test_with_mail_the_new_address_is_confirmed_and_the_old_one_notified(
    mailing: Flask, ada: FlaskClient, mail_server: MailServer
) -> None:
    assert _change(ada).status_code == 302
    link = _mailed_link(mailing, mail_server)
    assert [recipient for recipient, _ in mail_server.mails] == [NEW]
    sign_in(mailing.test_client(), ADA)  # nothing has changed yet

    assert ada.get(link).status_code == 200
    sign_in(mailing.test_client(), ADA)  # opening the link, as mail scanners do, changes nothing

    assert submit(ada, link, page=link).status_code == 302
    sign_in(mailing.test_client(), NEW)
    send_mail(mailing)
    assert [recipient for recipient, _ in mail_server.mails] == [NEW, ADA]
    assert f"was changed from {ADA} to {NEW}" in mail_server.mails[1][1].get_payload(decode=True).decode()
    assert ada.get(link).status_code == 404  # it works only once


def test_a_confirmation_ends_with_a_change_of_the_password(
    mailing: Flask, ada: FlaskClient, mail_server: MailServer
) -> None:
    _change(ada)
    link = _mailed_link(mailing, mail_server)
    submit(ada, "/account/password", {"current": PASSWORD, "password": "battery staple"})
    assert ada.get(link).status_code == 404


def test_a_confirmation_ends_after_a_day(
    mailing: Flask, ada: FlaskClient, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import itsdangerous.timed as timed

    _change(ada)
    link = _mailed_link(mailing, mail_server)
    day_ahead = timed.time.time() + 24 * 3600 + 5
    monkeypatch.setattr(timed.time, "time", lambda: day_ahead)
    assert ada.get(link).status_code == 404


def test_a_token_of_another_kind_confirms_nothing(mailing: Flask, ada: FlaskClient) -> None:
    with mailing.test_request_context():
        token = password_reset.create_token(User.newest_first()[0])
    assert ada.get(f"/confirm-email/{token}").status_code == 404
    assert ada.get("/confirm-email/x").status_code == 404


def test_an_address_that_was_taken_meanwhile_is_not_confirmed(
    mailing: Flask, ada: FlaskClient, mail_server: MailServer
) -> None:
    _change(ada)
    link = _mailed_link(mailing, mail_server)
    Factory(mailing).user(NEW)
    answer = submit(ada, link, page=link)
    assert answer.status_code == 422
    assert "already been taken" in answer.text


def test_confirmation_mail_is_limited(ada: FlaskClient) -> None:
    statuses = [
        _change(ada, f"victim{number}@example.com").status_code for number in range(login_throttle.PER_ACCOUNT + 1)
    ]
    assert statuses == [302] * login_throttle.PER_ACCOUNT + [429]


def _in_dashboard(app: Flask, key_for: Callable[..., dict[str, str]]) -> None:
    client = app.test_client()
    sign_in(client, ADA)
    assert _change(client).status_code == 302


def _with_api(app: Flask, key_for: Callable[..., dict[str, str]]) -> None:
    answer = app.test_client().patch("/api/v1/users/ada", json={"email_address": NEW}, headers=key_for())
    assert answer.status_code == 200


@pytest.mark.parametrize("change", [_in_dashboard, _with_api])
def test_a_change_of_the_email_address_ends_password_links(
    app: Flask, client: FlaskClient, make: Factory, key_for: Callable[..., dict[str, str]], change: Callable[..., None]
) -> None:
    user_id = make.user(ADA)
    with app.test_request_context():
        link = f"/new-password/{password_reset.create_token(db.session.get_one(User, user_id))}"
    assert client.get(link).status_code == 200
    change(app, key_for)
    assert client.get(link).status_code == 404
