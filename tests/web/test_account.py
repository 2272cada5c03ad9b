"""The account page: email address, password, sessions."""

import re
from itertools import pairwise

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.auth import login_throttle
from checkend.web.presenters.user_agents import describe_user_agent
from tests.support.factories import Factory
from tests.support.pages import PASSWORD, sign_in, submit

ADA = "ada@example.com"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E Safari/604.1"
)


@pytest.fixture(autouse=True)
def ada(make: Factory) -> int:
    """Provide the id of a user."""
    return make.user(ADA)


@pytest.fixture
def signed_in(client: FlaskClient) -> FlaskClient:
    """Provide a browser in which that user is signed in."""
    sign_in(client, ADA)
    return client


def _change(client: FlaskClient, current: str, password: str) -> int:
    return submit(client, "/account/password", {"current": current, "password": password}).status_code


def test_the_email_address_can_be_changed_and_is_normalized(signed_in: FlaskClient, app: Flask) -> None:
    assert (
        submit(signed_in, "/account", {"email_address": " Ada@New.example ", "current_password": PASSWORD}).status_code
        == 302
    )
    sign_in(app.test_client(), "ada@new.example")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("bob@example.com", "has already been taken."), ("ada", "is not a valid email address."), ("", "can&#39;t be")],
)
def test_an_invalid_email_address_is_rejected(
    signed_in: FlaskClient, make: Factory, app: Flask, address: str, sentence: str
) -> None:
    make.user("bob@example.com")
    answer = submit(signed_in, "/account", {"email_address": address, "current_password": PASSWORD})
    assert answer.status_code == 422
    assert sentence in answer.get_data(as_text=True)
    sign_in(app.test_client(), ADA)


def test_changing_the_password_requires_the_current_one(signed_in: FlaskClient, app: Flask) -> None:
    assert _change(signed_in, "wrong", "battery staple") == 422
    assert _change(signed_in, "", "battery staple") == 422
    assert _change(signed_in, PASSWORD, "battery staple") == 302
    sign_in(app.test_client(), ADA, "battery staple")


def test_the_last_five_passwords_are_rejected(signed_in: FlaskClient) -> None:
    used = [PASSWORD, *[f"password {number}" for number in range(4)]]
    for before, after in pairwise(used):
        assert _change(signed_in, before, after) == 302
    for old in used:
        assert _change(signed_in, used[-1], old) == 422
    assert _change(signed_in, used[-1], "password five") == 302
    assert _change(signed_in, "password five", PASSWORD) == 302  # the sixth last


def test_a_short_or_common_password_is_rejected(signed_in: FlaskClient) -> None:
    assert _change(signed_in, PASSWORD, "seven77") == 422
    assert _change(signed_in, PASSWORD, "Password1") == 422
    assert _change(signed_in, PASSWORD, "eight 88") == 302


def test_changing_the_password_ends_all_other_sessions(app: Flask, signed_in: FlaskClient) -> None:
    other = app.test_client()
    sign_in(other, ADA)
    assert _change(signed_in, PASSWORD, "battery staple") == 302
    assert other.get("/account").status_code == 302
    assert signed_in.get("/account").status_code == 200


def test_guesses_of_the_current_password_are_limited(signed_in: FlaskClient) -> None:
    statuses = [
        _change(signed_in, f"guess {number}", "battery staple") for number in range(login_throttle.PER_ACCOUNT + 1)
    ]
    assert statuses == [422] * login_throttle.PER_ACCOUNT + [429]


def test_sessions_are_listed_with_device_address_and_activity(app: Flask, signed_in: FlaskClient) -> None:
    phone = app.test_client()
    phone.environ_base |= {"HTTP_USER_AGENT": SAFARI, "REMOTE_ADDR": "192.0.2.7"}
    sign_in(phone, ADA)
    text = signed_in.get("/account/sessions").get_data(as_text=True)
    assert "Safari on iPhone" in text
    assert "192.0.2.7" in text
    assert text.count("this session") == 1 + 1  # the tag, and the accessible name of the button
    assert text.count("last active <time") == 2


def _revoke_addresses(client: FlaskClient) -> list[str]:
    return re.findall(
        r'action="(/account/sessions/\d+/revoke)"', client.get("/account/sessions").get_data(as_text=True)
    )


def test_a_session_can_be_revoked_and_its_browser_is_signed_out(app: Flask, signed_in: FlaskClient) -> None:
    mine = _revoke_addresses(signed_in)
    other = app.test_client()
    sign_in(other, ADA)
    (theirs,) = set(_revoke_addresses(signed_in)) - set(mine)
    assert submit(signed_in, theirs).status_code == 302
    assert other.get("/account").status_code == 302
    assert signed_in.get("/account").status_code == 200


def test_sessions_of_others_cannot_be_revoked(app: Flask, signed_in: FlaskClient, make: Factory) -> None:
    make.user("bob@example.com", site_admin=True)
    bob = app.test_client()
    sign_in(bob, "bob@example.com")
    (address,) = _revoke_addresses(bob)
    assert submit(signed_in, address).status_code == 404
    assert submit(signed_in, "/account/sessions/99999999999999999999/revoke").status_code == 404
    assert bob.get("/account").status_code == 200
    assert _revoke_addresses(signed_in) != [address]


def test_all_others_can_be_revoked_at_once(app: Flask, signed_in: FlaskClient, make: Factory) -> None:
    make.user("bob@example.com")
    others = [app.test_client() for _ in range(3)]
    for other, address in zip(others, (ADA, ADA, "bob@example.com"), strict=True):
        sign_in(other, address)
    assert submit(signed_in, "/account/sessions/revoke-others").status_code == 302
    assert [other.get("/account").status_code for other in others] == [302, 302, 200]
    assert signed_in.get("/account").status_code == 200


def test_a_deleted_user_is_signed_out(app: Flask, signed_in: FlaskClient, make: Factory, ada: int) -> None:
    from checkend.db.session import db
    from checkend.models import User

    make.run(lambda: db.session.get_one(User, ada).delete())
    assert signed_in.get("/account").status_code == 302


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/126.0 Safari/537.36", "Chrome on Mac"),
        ("curl/8.5.0", "curl"),
        ("my script <b>", "my script <b>"),
        ("", "Unknown device"),
    ],
)
def test_user_agents_are_described(user_agent: str, words: str) -> None:
    assert describe_user_agent(user_agent) == words
