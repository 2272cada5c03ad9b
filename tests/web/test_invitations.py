"""Invitations to a team: links that can be used once, within seven days."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.models import Team
from tests.support.factories import Factory
from tests.support.mail_server import MailServer, send_mail
from tests.support.pages import follow, sign_in, submit

GUEST = "guest@example.com"


@pytest.fixture
def owner(client: FlaskClient, make: Factory) -> FlaskClient:
    """Provide a browser in which the owner of the team core is signed in."""
    make.team("Core", make.user("ada@example.com"))
    sign_in(client, "ada@example.com")
    return client


def _invite(owner: FlaskClient, address: str = GUEST, role: str = "member") -> str:
    """Return the path of the link."""
    answer = submit(owner, "/teams/core/invitations", {"email_address": address, "role": role})
    link = re.search(r"<code>http://localhost(/invitations/[\w-]+)</code>", follow(owner, answer))
    assert link
    return link[1]


def _members(make: Factory) -> dict[str, str]:
    def read() -> dict[str, str]:
        return {member.user.email_address: member.role for member in db.session.query(Team).one().ranked_members()}

    return make.run(read)


def test_reloading_the_page_with_an_invitation_neither_creates_nor_shows_another(owner: FlaskClient) -> None:
    answer = submit(owner, "/teams/core/invitations", {"email_address": GUEST, "role": "member"})
    shown, reloaded = follow(owner, answer), follow(owner, answer)
    assert f"Invitation for {GUEST}" in shown
    assert f"Invitation for {GUEST}" not in reloaded
    assert reloaded.count("/revoke") == 1


def test_a_new_user_creates_an_account_with_the_link_and_joins_the_team(
    app: Flask, owner: FlaskClient, make: Factory
) -> None:
    link, guest = _invite(owner, " Guest@Example.com "), app.test_client()
    page = guest.get(link).get_data(as_text=True)
    assert "Join Core" in page
    assert GUEST in page
    assert submit(guest, link, {"password": "short"}, page=link).status_code == 422
    assert submit(guest, link, {"password": "guest password"}, page=link).location == "/teams/core"
    assert guest.get("/teams/core").status_code == 200
    assert _members(make) == {"ada@example.com": "admin", GUEST: "member"}


def test_a_link_works_once(app: Flask, owner: FlaskClient, make: Factory) -> None:
    link, guest, late = _invite(owner), app.test_client(), app.test_client()
    submit(guest, link, {"password": "guest password"}, page=link)
    assert late.get(link).status_code == 404
    assert submit(late, link, {"password": "other password"}, page="/sign-in").status_code == 404
    assert len(_members(make)) == 2


def test_an_existing_user_signs_in_and_joins(app: Flask, owner: FlaskClient, make: Factory) -> None:
    make.user(GUEST)
    link, guest = _invite(owner, role="viewer"), app.test_client()
    page = guest.get(link).get_data(as_text=True)
    assert f'href="/sign-in?next={link}"' in page
    assert 'name="password"' not in page
    refused = submit(guest, link, {"password": "taking over"}, page="/sign-in")
    assert refused.status_code == 200  # the page is shown again, and no one is signed in or added
    assert len(_members(make)) == 1
    sign_in(guest, GUEST)
    assert submit(guest, link, page=link).location == "/teams/core"
    assert _members(make)[GUEST] == "viewer"


def test_a_member_does_not_use_up_an_invitation(app: Flask, owner: FlaskClient, make: Factory) -> None:
    link = _invite(owner)
    answer = submit(owner, link, page=link)
    assert answer.status_code == 422
    assert "already a member" in answer.get_data(as_text=True)
    assert app.test_client().get(link).status_code == 200


def test_a_revoked_invitation_does_not_work(app: Flask, owner: FlaskClient) -> None:
    link = _invite(owner)
    page = owner.get("/teams/core").get_data(as_text=True)
    address = re.search(r'action="(/teams/core/invitations/\d+/revoke)"', page)
    assert address
    assert submit(owner, address[1]).status_code == 302
    assert app.test_client().get(link).status_code == 404
    assert address[1] not in owner.get("/teams/core").get_data(as_text=True)


@pytest.mark.parametrize(("days", "status"), [(6.99, 200), (7.01, 404)])
def test_an_invitation_is_valid_for_seven_days(
    app: Flask, owner: FlaskClient, monkeypatch: pytest.MonkeyPatch, days: float, status: int
) -> None:
    link = _invite(owner)
    later = clock.now() + timedelta(days=days)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert app.test_client().get(link).status_code == status


@pytest.mark.parametrize("fields", [{"email_address": "guest"}, {"email_address": ""}, {"role": "king"}, {"role": ""}])
def test_an_invitation_needs_an_address_and_a_role(owner: FlaskClient, fields: dict[str, Any]) -> None:
    answer = submit(owner, "/teams/core/invitations", {"email_address": GUEST, "role": "member"} | fields)
    assert answer.status_code == 422
    assert "Open invitations" not in answer.get_data(as_text=True)


def test_invitations_of_another_team_cannot_be_revoked(app: Flask, owner: FlaskClient, make: Factory) -> None:
    link = _invite(owner)
    make.team("Far", make.user("far@example.com"))
    far = app.test_client()
    sign_in(far, "far@example.com")
    assert submit(far, "/teams/far/invitations/1/revoke").status_code == 404
    assert app.test_client().get(link).status_code == 200


def test_where_mail_is_set_up_the_invitation_is_mailed(mailing: Flask, mail_server: MailServer) -> None:
    make, client = Factory(mailing), mailing.test_client()
    make.run(lambda: Team.create("Core", _ada()))
    sign_in(client, "ada@example.com")
    answer = submit(client, "/teams/core/invitations", {"email_address": GUEST, "role": "developer"})
    page = follow(client, answer)
    assert "This link is on its way by mail" in page
    assert "mail queued" in page
    assert mail_server.mails == []
    send_mail(mailing)
    assert "mail sent" in client.get("/teams/core").text
    (recipient, mail), *more = mail_server.mails
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    link = re.search(r"https://errors\.example\.com(/invitations/\S+)", payload.decode())
    assert (recipient, more) == (GUEST, [])
    assert link
    assert mailing.test_client().get(link[1]).status_code == 200


def test_where_mail_fails_the_link_is_there_to_copy(mailing: Flask, mail_server: MailServer) -> None:
    mail_server.close()
    make, client = Factory(mailing), mailing.test_client()
    make.run(lambda: Team.create("Core", _ada()))
    sign_in(client, "ada@example.com")
    answer = submit(client, "/teams/core/invitations", {"email_address": GUEST, "role": "developer"})
    text = follow(client, answer)
    assert re.search(r"https://errors\.example\.com/invitations/[\w-]+", text)
    send_mail(mailing)
    page = client.get("/teams/core").text
    assert re.search(r"The mail was not sent yet; next attempt <time [^>]*>in a few seconds</time>\.", page)
    assert "Connection refused" in page


def _ada() -> Any:
    from checkend.models import User

    return User.with_email_address("ada@example.com")
