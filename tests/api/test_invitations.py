"""Invitations sent with an API key: no key can admit anyone whom it could not add, and its invitations end with it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.app import create_app
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db.session import db
from checkend.models import ApiKey, Invitation, Team
from checkend.services import services
from tests.support.api import Api, assert_error, assert_times
from tests.support.factories import Factory
from tests.support.mail_server import MailServer, send_mail
from tests.support.pages import sign_in, submit

INVITATIONS = "/teams/core/invitations"
GUEST = {"email_address": " Guest@Example.com ", "role": "developer"}


@pytest.fixture(autouse=True)
def team(make: Factory) -> int:
    """Create the team Core, whose owner has the id 1, and a user who is in no team."""
    team_id = make.team("Core", make.user("ada@example.com"))
    make.user("bob@example.com")
    return team_id


def invite(api: Api, **fields: Any) -> dict[str, Any]:
    response = api.post(INVITATIONS, GUEST | fields)
    assert response.status_code == 201, response.text
    invitation: dict[str, Any] = response.get_json()
    return invitation


def join(app: Flask, invitation: dict[str, Any], password: str = "guest password") -> int:
    path = "/invitations/" + invitation["url"].rpartition("/")[2]
    guest = app.test_client()
    if guest.get(path).status_code == 404:
        return 404
    return submit(guest, path, {"password": password}, page=path).status_code


def roles(make: Factory) -> dict[str, str]:
    def read() -> dict[str, str]:
        return {member.user.email_address: member.role for member in Team.newest_first()[0].ranked_members()}

    return make.run(read)


def test_the_link_is_shown_once_and_lets_someone_new_join(app: Flask, api: Api, make: Factory) -> None:
    created = invite(api)
    assert_times({name: created[name] for name in ("created_at", "expires_at")})
    assert created["url"].startswith("http://localhost/invitations/")
    shown = api.get(INVITATIONS).get_json()
    assert shown == [{name: value for name, value in created.items() if name != "url"}]
    assert {name: shown[0][name] for name in ("id", "email_address", "role", "invited_by", "mail_status")} == {
        "id": 1,
        "email_address": "guest@example.com",
        "role": "developer",
        "invited_by": "test",
        "mail_status": None,
    }
    assert api.get(f"{INVITATIONS}/1").get_json() == shown[0]
    assert join(app, created) == 302
    assert roles(make)["guest@example.com"] == "developer"
    assert api.get(INVITATIONS).get_json() == []
    assert_error(api.get(f"{INVITATIONS}/1"), 404, "Invitation not found.")


def test_the_location_is_that_of_the_invitation(api: Api) -> None:
    response = api.post(INVITATIONS, GUEST)
    assert response.headers["Location"] == f"/api/v1{INVITATIONS}/1"


def test_invitations_of_users_are_listed_too_and_those_of_keys_on_the_page(
    client: FlaskClient, api: Api, make: Factory
) -> None:
    sign_in(client, "ada@example.com")
    submit(client, INVITATIONS, {"email_address": "x@example.com", "role": "viewer"})
    invite(api)
    assert [found["invited_by"] for found in api.get(INVITATIONS).get_json()] == ["test", "ada@example.com"]
    assert "with the API key test" in client.get("/teams/core").text


def test_a_key_that_cannot_create_users_invites_only_those_with_an_account(
    client: FlaskClient, key_for: Callable[..., dict[str, str]]
) -> None:
    api = Api(client, key_for("teams:write"))
    assert_error(api.post(INVITATIONS, GUEST), 403, "Missing required permission: users:write")
    assert invite(api, email_address="BOB@example.com")["email_address"] == "bob@example.com"


def test_an_account_that_was_deleted_is_not_created_again_with_such_a_key(
    app: Flask, client: FlaskClient, make: Factory, key_for: Callable[..., dict[str, str]]
) -> None:
    api, admin = Api(client, key_for("teams:write")), Api(client, key_for("users:write"))
    invitation = invite(api, email_address="bob@example.com")
    assert admin.delete("/users/bob").status_code == 204
    assert join(app, invitation) == 404
    assert "bob@example.com" not in roles(make)


def _revoke(key: ApiKey) -> None:
    key.revoke()


def _delete(key: ApiKey) -> None:
    key.delete()


def _expire(key: ApiKey) -> None:
    key.expires_at = clock.now()


@pytest.mark.parametrize("end", [_revoke, _delete, _expire])
def test_an_invitation_ends_with_the_key_that_sent_it(
    end: Callable[[ApiKey], None], app: Flask, client: FlaskClient, make: Factory
) -> None:
    value = make.run(lambda: ApiKey.create("leaked", ALL_PERMISSIONS)[1])
    invitation = invite(Api(client, {"Checkend-API-Key": value}))
    make.run(lambda: end(db.session.query(ApiKey).filter_by(name="leaked").one()))
    assert join(app, invitation) == 404
    assert "guest@example.com" not in roles(make)
    if end is not _expire:
        assert make.run(lambda: Invitation.open_of(Team.newest_first()[0])) == []


def test_a_revoked_invitation_does_not_work(app: Flask, api: Api) -> None:
    invitation = invite(api)
    assert api.delete(f"{INVITATIONS}/1").status_code == 204
    assert_error(api.delete(f"{INVITATIONS}/1"), 404, "Invitation not found.")
    assert join(app, invitation) == 404


def test_invitations_of_another_team_are_not_found(api: Api, make: Factory) -> None:
    make.team("Other", 1)
    invite(api)
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/resend")):
        assert_error(api.call(method, f"/teams/other/invitations/1{path}"), 404, "Invitation not found.")
    assert api.get("/teams/other/invitations").get_json() == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"role": "viewer"}, "Email address can't be blank."),
        ({"email_address": "nobody"}, "Email address is not a valid email address."),
        (GUEST | {"role": "boss"}, "Role must be one of owner, admin, developer, member, viewer."),
        (GUEST | {"expires": 1}, "Unknown field: expires."),
    ],
)
def test_invalid_invitations_are_rejected(api: Api, fields: dict[str, Any], message: str) -> None:
    assert_error(api.post(INVITATIONS, fields), 422, message)
    assert api.get(INVITATIONS).get_json() == []


def test_without_mail_an_invitation_cannot_be_sent_again(api: Api) -> None:
    invite(api)
    response = api.post(f"{INVITATIONS}/1/resend")
    assert_error(response, 422, "This server cannot send mail. Ask a site admin to set it up.")


@pytest.fixture
def mailing(tmp_path: Path, mail_server: MailServer) -> Iterator[Flask]:
    """Start a server that sends mail."""
    settings = {
        "URL": "http://localhost",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(mail_server.port),
        "MAIL_TLS": "none",
    }
    app = create_app(settings, instance_path=tmp_path / "instance")
    yield app
    services(app).close()


def test_where_mail_is_configured_the_link_is_mailed_and_sent_again(
    mailing: Flask, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    make = Factory(mailing)
    make.team("Core", make.user("ada@example.com"))
    value = make.run(lambda: ApiKey.create("test", ALL_PERMISSIONS)[1])
    api = Api(mailing.test_client(), {"Checkend-API-Key": value})
    created = invite(api)
    assert created["mail_status"] == "pending"
    send_mail(mailing)
    assert api.get(f"{INVITATIONS}/1").get_json()["mail_status"] == "sent"
    assert api.post(f"{INVITATIONS}/1/resend").get_json()["mail_status"] == "pending"
    send_mail(mailing)
    first, second = (str(mail.get_payload(decode=True)) for _, mail in mail_server.mails)
    assert created["url"] in first
    assert created["url"] not in second
    assert join(mailing, created) == 404  # replaced by the link in the second mail
    for _ in range(4):
        response = api.post(f"{INVITATIONS}/1/resend")
        assert response.status_code == 200
    response = api.post(f"{INVITATIONS}/1/resend")
    assert_error(response, 429)
    assert int(response.headers["Retry-After"]) > 0
