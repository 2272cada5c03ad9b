"""Permissions: every route of the URL map, with every kind of key."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import api, clock
from checkend.auth.permissions import ALL_PERMISSIONS, APP_PERMISSIONS
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.exceptions import DomainError
from checkend.models import ApiKey, App, Delivery, Invitation, OutgoingMail, Problem, Team, User
from checkend.notifications.channel_settings import create_channel
from checkend.notifications.encryption import SecretBox
from tests.support.api import Api, assert_error
from tests.support.factories import Factory

PROBLEM = "/apps/<app_id>/problems/<problem_id>"
PREFERENCE = "/users/<user_id>/notification_preferences/<app_id>"
CHANNELS = "/apps/<app_id>/channels"
CHANNEL = f"{CHANNELS}/<channel_id>"
HOOK = {"kind": "webhook", "name": "Hook", "config": {"url": "http://127.0.0.1:9/"}}  # sending there is not permitted


@dataclass(frozen=True)
class Call:
    """A request that succeeds: the permission it requires, its body, and the status of the response."""

    permission: str
    status: int = 200
    json: Any = None


TABLE: dict[tuple[str, str], Call] = {
    ("GET", "/apps"): Call("apps:read"),
    ("POST", "/apps"): Call("apps:write", 201, {"name": "Other"}),
    ("GET", "/apps/<app_id>"): Call("apps:read"),
    ("PATCH", "/apps/<app_id>"): Call("apps:write", 200, {"name": "Other"}),
    ("PUT", "/apps/<app_id>"): Call("apps:write", 200, {"name": "Other"}),
    ("DELETE", "/apps/<app_id>"): Call("apps:write", 204),
    ("POST", "/apps/<app_id>/regenerate_ingestion_key"): Call("apps:write"),
    ("POST", "/apps/<app_id>/test_error"): Call("apps:write", 201),
    ("GET", "/apps/<app_id>/problems"): Call("problems:read"),
    ("GET", "/problems"): Call("problems:read"),
    ("GET", PROBLEM): Call("problems:read"),
    ("GET", "/arrivals"): Call("problems:read"),
    ("GET", "/apps/<app_id>/arrivals"): Call("problems:read"),
    ("POST", f"{PROBLEM}/resolve"): Call("problems:write"),
    ("POST", f"{PROBLEM}/unresolve"): Call("problems:write"),
    ("POST", "/apps/<app_id>/problems/bulk_resolve"): Call("problems:write", 200, {"problem_ids": [1]}),
    ("POST", "/apps/<app_id>/problems/bulk_unresolve"): Call("problems:write", 200, {"problem_ids": [1]}),
    ("POST", f"{PROBLEM}/mute"): Call("problems:write", 200, {}),
    ("POST", f"{PROBLEM}/unmute"): Call("problems:write"),
    ("POST", "/apps/<app_id>/problems/bulk_mute"): Call("problems:write", 200, {"problem_ids": [1]}),
    ("POST", "/apps/<app_id>/problems/bulk_unmute"): Call("problems:write", 200, {"problem_ids": [1]}),
    ("POST", "/apps/<app_id>/problems/bulk_tag"): Call("problems:write", 200, {"problem_ids": [1], "tag": "new"}),
    ("POST", "/apps/<app_id>/problems/bulk_untag"): Call("problems:write", 200, {"problem_ids": [1], "tag": "new"}),
    ("POST", "/apps/<app_id>/problems/bulk_delete"): Call("problems:write", 200, {"problem_ids": [1]}),
    ("DELETE", PROBLEM): Call("problems:write", 204),
    ("GET", f"{PROBLEM}/facets"): Call("problems:read"),
    ("GET", f"{PROBLEM}/occurrences"): Call("problems:read"),
    ("GET", "/apps/<app_id>/tags"): Call("tags:read"),
    ("GET", f"{PROBLEM}/notices"): Call("notices:read"),
    ("GET", f"{PROBLEM}/notices/<notice_id>"): Call("notices:read"),
    ("GET", f"{PROBLEM}/tags"): Call("tags:read"),
    ("POST", f"{PROBLEM}/tags"): Call("tags:write", 201, {"name": "new"}),
    ("DELETE", f"{PROBLEM}/tags/<tag_id>"): Call("tags:write", 204),
    ("GET", CHANNELS): Call("apps:read"),
    ("POST", CHANNELS): Call("apps:write", 201, HOOK),
    ("GET", CHANNEL): Call("apps:read"),
    ("PATCH", CHANNEL): Call("apps:write", 200, {"name": "Other"}),
    ("PUT", CHANNEL): Call("apps:write", 200, {"name": "Other"}),
    ("DELETE", CHANNEL): Call("apps:write", 204),
    ("POST", f"{CHANNEL}/rotate_secret"): Call("apps:write"),
    ("POST", f"{CHANNEL}/test"): Call("apps:write"),
    ("GET", f"{CHANNEL}/deliveries"): Call("apps:read"),
    ("POST", f"{CHANNEL}/deliveries/<delivery_id>/redeliver"): Call("apps:write"),
    ("GET", "/teams"): Call("teams:read"),
    ("POST", "/teams"): Call("teams:write", 201, {"name": "Other", "owner_id": 1}),
    ("GET", "/teams/<team_id>"): Call("teams:read"),
    ("PATCH", "/teams/<team_id>"): Call("teams:write", 200, {"name": "Other"}),
    ("PUT", "/teams/<team_id>"): Call("teams:write", 200, {"name": "Other"}),
    ("DELETE", "/teams/<team_id>"): Call("teams:write", 204),
    ("GET", "/teams/<team_id>/apps"): Call("teams:read"),
    ("POST", "/teams/<team_id>/apps"): Call("teams:write", 201, {"app_id": "shop"}),
    ("DELETE", "/teams/<team_id>/apps/<app_id>"): Call("teams:write", 204),
    ("GET", "/teams/<team_id>/members"): Call("teams:read"),
    ("POST", "/teams/<team_id>/members"): Call("teams:write", 201, {"user_id": 3}),
    ("PATCH", "/teams/<team_id>/members/<member_id>"): Call("teams:write", 200, {"role": "viewer"}),
    ("PUT", "/teams/<team_id>/members/<member_id>"): Call("teams:write", 200, {"role": "viewer"}),
    ("DELETE", "/teams/<team_id>/members/<member_id>"): Call("teams:write", 204),
    ("GET", "/teams/<team_id>/invitations"): Call("teams:read"),
    ("POST", "/teams/<team_id>/invitations"): Call("teams:write", 201, {"email_address": "three@example.com"}),
    ("GET", "/teams/<team_id>/invitations/<invitation_id>"): Call("teams:read"),
    ("POST", "/teams/<team_id>/invitations/<invitation_id>/resend"): Call("teams:write"),
    ("DELETE", "/teams/<team_id>/invitations/<invitation_id>"): Call("teams:write", 204),
    ("GET", "/audit_log"): Call("audit:read"),
    ("GET", "/users"): Call("users:read"),
    ("POST", "/users"): Call("users:write", 201, {"email_address": "new@example.com", "password": "long enough"}),
    ("GET", "/users/<user_id>"): Call("users:read"),
    ("PATCH", "/users/<user_id>"): Call("users:write", 200, {"email_address": "new@example.com"}),
    ("PUT", "/users/<user_id>"): Call("users:write", 200, {"email_address": "new@example.com"}),
    ("DELETE", "/users/<user_id>"): Call("users:write", 204),
    ("POST", "/users/<user_id>/password_link"): Call("users:write", 201),
    ("GET", "/users/<user_id>/notification_preferences"): Call("users:read"),
    ("GET", PREFERENCE): Call("users:read"),
    ("PATCH", PREFERENCE): Call("users:write", 200, {"level": "none"}),
    ("PUT", PREFERENCE): Call("users:write", 200, {"level": "none"}),
}
OPEN = {("GET", "/health"), ("GET", "/openapi"), ("GET", "/openapi.yaml")}
ANY_KEY = {("GET", "/api_key")}  # a key, but no permission
IDS = {"app_id": "1", "problem_id": "1", "notice_id": "1", "tag_id": "1", "team_id": "1", "member_id": "2"}
IDS |= {"channel_id": "1", "delivery_id": "1", "invitation_id": "1"}
MEMBER, THIRD_USER = "2", "3"


def url_map(app: Flask) -> dict[tuple[str, str], Callable[..., Any]]:
    """Return the view of every method and path under /api/v1."""
    return {
        (method, rule.rule.removeprefix("/api/v1")): app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def bare_url_map() -> list[tuple[str, str]]:
    app = Flask("bare")
    api.register(app)
    return sorted(url_map(app))


@pytest.fixture
def records(app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create an app with a tagged problem, a notice and a webhook, in a team of two, and a user who is not in it.

    The server has the settings to send mail.
    """
    monkeypatch.setitem(app.config, "URL", "http://localhost")
    monkeypatch.setitem(app.config, "MAIL_HOST", "127.0.0.1")
    make.app("Shop")
    problem_id = make.problem(1)
    make.notice(problem_id)
    with make.writing() as session:
        names = ("one", "two", "three")
        users = [User(slug=name, email_address=f"{name}@example.com", password_digest="x") for name in names]
        session.add_all(users)
        session.flush()
        team = Team.create("Core", users[0])
        team.add_member(users[1])
        team.assign(session.get_one(App, 1))
        invitation, _ = Invitation.create(team, "guest@example.com", "viewer", users[0])
        mail = OutgoingMail(recipient="guest@example.com", subject="Join", body=b"", invitation=invitation)
        session.add(mail)  # so that it can be sent again
        session.get_one(Problem, problem_id).add_tag("old")
        create_channel(session.get_one(App, 1), SecretBox(Path(app.instance_path)), HOOK)
        session.add(Delivery(channel_id=1, event="new_problem", status="failed"))


def path_of(rule: str) -> str:
    user = MEMBER if rule.startswith(PREFERENCE) else THIRD_USER
    for name, value in {**IDS, "user_id": user}.items():
        rule = rule.replace(f"<{name}>", value)
    assert "<" not in rule
    return rule


def dead_keys(app: Flask) -> dict[str, dict[str, str]]:
    """Return headers with no valid key, a revoked and an expired one; both keys have every permission."""
    with app.app_context(), write_transaction():
        revoked, revoked_value = ApiKey.create("revoked", ALL_PERMISSIONS)
        revoked.revoke()
        expired, expired_value = ApiKey.create("expired", ALL_PERMISSIONS)
        expired.expires_at = clock.now()
        _, good = ApiKey.create("good", ALL_PERMISSIONS)
    values = {"unknown": "cka_0123456789_x", "wrong secret": good[:-1] + "~", "a prefix": good[:14]}
    values |= {"revoked": revoked_value, "expired": expired_value}
    return {name: {"Checkend-API-Key": value} for name, value in values.items()}


def keys_with(app: Flask, *permissions: set[str]) -> list[dict[str, str]]:
    """Return headers with a new API key for each set of permissions."""
    with app.app_context(), write_transaction():
        values = [ApiKey.create("test", sorted(of_one))[1] for of_one in permissions]
    return [{"Checkend-API-Key": value} for value in values]


def everything_in(app: Flask) -> dict[str, list[Any]]:
    """Return every row of the database except for API keys, whose use is recorded, and the entries about them."""
    with app.app_context():
        tables = [table for table in db.metadata.sorted_tables if table.name != "api_keys"]
        rows = {table.name: list(db.session.execute(table.select()).all()) for table in tables}
    rows["audit_entries"] = [row for row in rows["audit_entries"] if not row.event.startswith("api_key.")]
    return rows


def test_the_table_contains_every_route_and_no_other(app: Flask) -> None:
    assert set(url_map(app)) == set(TABLE) | OPEN | ANY_KEY


def test_every_view_but_the_open_ones_requires_a_permission(app: Flask) -> None:
    required = {route: getattr(view, "permission", None) for route, view in url_map(app).items()}
    assert required == {route: call.permission for route, call in TABLE.items()} | dict.fromkeys(OPEN | ANY_KEY)


def test_every_view_documents_itself_and_its_response(app: Flask) -> None:
    for route, view in url_map(app).items():
        assert view.__doc__, route
        assert route in OPEN | ANY_KEY or view.response[1] == TABLE[route].status, route  # type: ignore[attr-defined]


def test_only_a_live_key_with_the_permission_is_accepted(app: Flask, client: FlaskClient, records: None) -> None:
    """Every other key is rejected by every route, without changing anything."""
    dead = dead_keys(app)
    single = dict(zip(ALL_PERMISSIONS, keys_with(app, *({name} for name in ALL_PERMISSIONS)), strict=True))
    without = {name: keys_with(app, set(ALL_PERMISSIONS) - {name})[0] for name in ALL_PERMISSIONS}
    before = everything_in(app)
    for (method, rule), call in TABLE.items():
        path = path_of(rule)
        assert_error(Api(client, {}).call(method, path, call.json), 401, "Missing API key")
        for headers in dead.values():
            assert_error(Api(client, headers).call(method, path, call.json), 401, "Invalid or revoked API key")
        others = [headers for name, headers in single.items() if name != call.permission]
        for headers in (*others, without[call.permission]):
            response = Api(client, headers).call(method, path, call.json)
            assert_error(response, 403, f"Missing required permission: {call.permission}")
    assert everything_in(app) == before


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_a_key_with_the_permission_is_accepted(
    route: tuple[str, str], app: Flask, client: FlaskClient, records: None
) -> None:
    call, (method, rule) = TABLE[route], route
    (headers,) = keys_with(app, {call.permission})
    assert Api(client, headers).call(method, path_of(rule), call.json).status_code == call.status


def test_404_comes_after_the_permission_check_and_before_the_body(app: Flask, client: FlaskClient) -> None:
    with_it = dict(zip(ALL_PERMISSIONS, keys_with(app, *({name} for name in ALL_PERMISSIONS)), strict=True))
    for (method, rule), call in TABLE.items():
        if "<" in rule:
            path, other = path_of(rule), "users:read" if call.permission != "users:read" else "teams:read"
            assert_error(Api(client, {}).call(method, path, data="{"), 401)
            assert_error(Api(client, with_it[other]).call(method, path, data="{"), 403)
            assert_error(Api(client, with_it[call.permission]).call(method, path, data="{"), 404)


def restricted_key(app: Flask, permission: str, app_id: int) -> dict[str, str]:
    """Return headers with a new API key that has a permission and is restricted to an app."""
    with app.app_context(), write_transaction():
        value = ApiKey.create("restricted", [permission], apps=[db.session.get_one(App, app_id)])[1]
    return {"Checkend-API-Key": value}


def test_for_a_key_that_is_restricted_to_apps_no_other_app_exists(
    app: Flask, client: FlaskClient, records: None, make: Factory
) -> None:
    make.app("Other")
    elsewhere = {name: restricted_key(app, name, 2) for name in APP_PERMISSIONS}
    before = everything_in(app)
    for (method, rule), call in TABLE.items():
        if "<app_id>" not in rule or call.permission not in APP_PERMISSIONS:
            continue
        path, api = path_of(rule), Api(client, elsewhere[call.permission])
        for missing in (path, path.replace("/apps/1", "/apps/shop")):
            assert_error(api.call(method, missing, call.json), 404, "App not found.")
        own_app = path.replace("/apps/1", "/apps/2")
        if own_app != "/apps/2" and re.search(r"/apps/2/\w+/\d", own_app):  # a record of the other app
            assert api.call(method, own_app, call.json).status_code == 404
    assert everything_in(app) == before


def test_a_restricted_key_cannot_have_a_permission_beyond_apps(app: Flask, records: None) -> None:
    for permission in set(ALL_PERMISSIONS) - set(APP_PERMISSIONS):
        with pytest.raises(DomainError, match=f"cannot have the permission {permission}"):
            restricted_key(app, permission, 1)


OF_AN_APP = [route for route, call in TABLE.items() if "<app_id>" in route[1] and call.permission in APP_PERMISSIONS]


@pytest.mark.parametrize("route", OF_AN_APP, ids=" ".join)
def test_a_restricted_key_works_for_its_app(
    route: tuple[str, str], app: Flask, client: FlaskClient, records: None
) -> None:
    call, (method, rule) = TABLE[route], route
    headers = restricted_key(app, call.permission, 1)
    assert Api(client, headers).call(method, path_of(rule), call.json).status_code == call.status


def test_a_restricted_key_finds_nothing_of_other_apps_in_lists(
    app: Flask, client: FlaskClient, records: None, make: Factory
) -> None:
    make.app("Other")
    for (method, rule), call in TABLE.items():
        if "<app_id>" in rule or call.permission not in APP_PERMISSIONS:
            continue
        response = Api(client, restricted_key(app, call.permission, 2)).call(method, path_of(rule), call.json)
        if method == "POST":
            assert rule == "/apps"
            assert_error(response, 403, "This API key is restricted to certain apps, and cannot create others.")
        else:
            assert response.status_code == call.status
            assert "Shop" not in response.text
            assert '"app_id":1' not in response.text.replace(" ", "")


def test_health_needs_no_key(client: FlaskClient) -> None:
    assert client.get("/api/v1/health").status_code == 200
