"""The audit log: one line, which cannot be forged, for each change of permissions, logged after the commit."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from checkend.auth import email_confirmation, password_reset
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.cli import main
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.grouping.fingerprint import RULES
from checkend.log import JsonFormatter, TextFormatter
from checkend.models import ApiKey, App, AuditEntry, Invitation, Team, User
from checkend.models.audit_events import SENTENCES
from checkend.models.audit_log import log as audit_log
from tests.support.factories import Factory
from tests.support.mail_server import send_mail
from tests.support.pages import PASSWORD, csrf_token, sign_in, submit
from tests.support.team import World, build

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"
PASSWORDS = ("battery staple", "guest password", "another horse", "wrong password")
# State that is neither a permission nor a problem's.
NOT_AUDITED = {
    "theme.choose",
    "connect.send_test_error",
    "account.change_notifications",
    "unsubscribe.show",
    "alerts.test",
    "alerts.redeliver",
    "api_channels.test",
    "api_channels.redeliver",
    "passwords.forgotten",  # without mail; with it, tested below
    "setup.start",  # only before there is an admin; tested below
    "ingest.create",
    "api_apps.test_error",
    "api_notification_preferences.update",
    "api_invitations.resend",  # needs mail: tests/api/test_invitations.py
}


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """Return the list to which the records of the audit log are appended."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]  # a test's own
    audit_log.addHandler(handler)
    yield records
    audit_log.removeHandler(handler)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = record.fields  # type: ignore[attr-defined]  # given with `extra`
    return fields


def _events(records: list[logging.LogRecord]) -> list[str]:
    return [_fields(record)["event"] for record in records]


class Walk:
    """A client that records the visited endpoints, and the events that each of them logged."""

    def __init__(self, world: World, records: list[logging.LogRecord]) -> None:
        self.world, self.records = world, records
        self.app, self.make = world.app, Factory(world.app)
        self.admin = world.client("site admin")
        self.visited: set[str] = set()
        self.lines: list[str] = []
        begin = self.make.run(lambda: ApiKey.create("walk", ALL_PERMISSIONS)[1])
        self.headers, self.secrets = {"Checkend-API-Key": begin}, [begin]
        self.last_entry = 0
        self._new_entries()

    def _visit(self, path: str, method: str, send: Callable[[], Any], statuses: tuple[int, ...], *events: str) -> Any:
        endpoint = self.app.create_url_adapter(None) or self.app.url_map.bind("localhost")
        name = endpoint.match(path.partition("?")[0], method=method)[0]
        self.visited.add(name)
        self.records.clear()
        self._new_entries()
        response = send()
        assert response.status_code in statuses, (name, response.status_code, response.text)
        assert sorted(_events(self.records)) == sorted(events), name
        assert sorted(self._new_entries()) == sorted(events), name
        self.lines += [TextFormatter().format(record) for record in self.records]
        return response

    def _new_entries(self) -> list[str]:
        """Return the events of the entries that were added since the last call."""

        def read() -> list[tuple[int, str]]:
            added = select(AuditEntry.id, AuditEntry.event).where(AuditEntry.id > self.last_entry)
            return [(entry_id, event) for entry_id, event in db.session.execute(added.order_by(AuditEntry.id))]

        with self.app.app_context():
            found = read()
        self.last_entry = found[-1][0] if found else self.last_entry
        return [event for _, event in found]

    def form(self, path: str, fields: dict[str, Any] | None = None, *events: str, by: FlaskClient | None = None) -> Any:
        """Send a form as the site admin, or ``by`` someone else."""
        client = by or self.admin
        signed_in = client.get("/account").status_code == 200
        data = {"csrf_token": csrf_token(client, "/account" if signed_in else "/sign-in")} | (fields or {})
        return self._visit(path, "POST", lambda: client.post(path, data=data), (200, 302, 422), *events)

    def api(self, method: str, path: str, body: Any = None, *events: str) -> Any:
        """Send a request to the API with a key that may do everything."""
        client, path = self.app.test_client(), f"/api/v1{path}"
        options = {} if body is None else {"json": body}
        return self._visit(
            path,
            method,
            lambda: client.open(path, method=method, headers=self.headers, **options),
            (200, 201, 204),
            *events,
        )

    def browser(self, email: str) -> FlaskClient:
        """Return a client in which the user is signed in."""
        client = self.app.test_client()
        sign_in(client, email)
        return client


@pytest.fixture
def walk(app: Flask, records: list[logging.LogRecord]) -> Walk:
    return Walk(build(app), records)


def _walk_own_account(walk: Walk) -> None:
    guest, viewer = walk.app.test_client(), "viewer@example.com"
    walk.form("/sign-in", {"email_address": viewer, "password": "wrong password"}, "sign_in.failed", by=guest)
    assert walk.records[0].levelno == logging.WARNING
    walk.form("/sign-in", {"email_address": viewer, "password": PASSWORD}, "sign_in.succeeded", by=guest)
    change = {"email_address": "viewer2@example.com", "current_password": PASSWORD}
    walk.form("/account", change, "email.changed", by=guest)
    change = {"current": PASSWORD, "password": "battery staple"}
    walk.form("/account/password", change, "password.changed", by=guest)
    viewer = "viewer2@example.com"
    other = walk.app.test_client()
    sign_in(other, viewer, "battery staple")
    walk.form("/account/sessions/revoke-others", None, "sign_out", by=guest)
    walk.form("/account/sessions/revoke-others", None, by=guest)  # no other was left
    page = guest.get("/account/sessions").text
    session = re.findall(r'action="(/account/sessions/\d+/revoke)"', page)[0]
    walk.form(session, None, "sign_out", by=guest)
    sign_in(guest, viewer, "battery staple")
    walk.form("/sign-out", None, "sign_out", by=guest)
    with walk.app.app_context():
        token = email_confirmation.create_token(_user("viewer2"), "viewer3@example.com")
    walk.form(f"/confirm-email/{token}", None, "email.changed", by=guest)
    response = walk.form("/users/viewer/password-link", None, "password_link.created")
    page = walk.admin.get(response.location).text if response.location else response.text
    path = re.findall(r"(/new-password/[\w.-]+)<", page)[0]
    walk.secrets.append(path.rpartition("/")[2])
    walk.form(path, {"password": "another horse"}, "password.changed", "sign_in.succeeded", by=guest)


def _walk_teams(walk: Walk) -> None:
    ids, make = walk.world.ids, walk.make
    walk.form("/teams", {"name": "New"}, "team.created")
    walk.form("/teams/new", {"name": "Newer"}, "team.renamed")
    walk.form("/teams/new", {"name": "Newer"})  # no change
    walk.form("/teams/new/delete", {"confirm": "Newer"}, "team.deleted")
    invite = {"email_address": "guest@example.com", "role": "viewer"}
    walk.form("/teams/core/invitations", invite, "invitation.created")
    walk.form(f"/teams/core/invitations/{ids['invitation_id']}/resend")  # mail is not configured
    walk.app.config.update(URL="http://localhost", MAIL_HOST="127.0.0.1", MAIL_PORT=1)
    walk.form(f"/teams/core/invitations/{ids['invitation_id']}/resend", None, "invitation.renewed")
    walk.app.config.update(URL="", MAIL_HOST="")
    walk.form(f"/teams/core/invitations/{ids['invitation_id']}/revoke", None, "invitation.revoked")
    token = make.run(lambda: Invitation.create(Team.newest_first()[-1], "guest@example.com", "viewer", _owner())[1])
    walk.secrets.append(token)
    joined = ("user.created", "member.added", "invitation.accepted", "sign_in.succeeded")
    walk.form(f"/invitations/{token}", {"password": "guest password"}, *joined, by=walk.app.test_client())
    outsider = {"email_address": "outsider@example.com", "role": "admin"}
    walk.form("/teams/core/members", outsider, "member.added")
    walk.form(f"/teams/core/members/{ids['member_id']}", {"role": "developer"}, "member.role_changed")
    walk.form(f"/teams/core/members/{ids['member_id']}", {"role": "developer"})  # no change
    walk.form(f"/teams/core/members/{ids['member_id']}/remove", None, "member.removed")
    make.run(lambda: Invitation.create(Team.newest_first()[-1], "x@example.com", "viewer", _user("outsider")))
    walk.form(
        "/teams/core/leave", None, "member.removed", "invitation.revoked", by=walk.browser("outsider@example.com")
    )
    member = make.run(lambda: Team.newest_first()[-1].ranked_members()[1].id)
    walk.form("/teams/core/owner", {"member": member}, "team.transferred")


def _walk_server(walk: Walk) -> None:
    key_id = walk.world.ids["key_id"]
    walk.form("/users", {"email_address": "eve@example.com"}, "user.created", "password_link.created")
    walk.form("/users/eve/site-admin", {"grant": "yes"}, "site_admin.granted")
    walk.form("/users/eve/site-admin", {"grant": "yes"})  # no change
    walk.form("/users/eve/site-admin", {"grant": "no"}, "site_admin.removed")
    walk.form("/users/eve/delete", None, "user.deleted")
    walk.form("/api-keys/new", {"name": "new", "permissions": "apps:read"}, "api_key.created")
    walk.form(f"/api-keys/{key_id}/revoke", None, "api_key.revoked")
    walk.form(f"/api-keys/{key_id}/revoke")  # no change
    walk.form(f"/api-keys/{key_id}/delete", None, "api_key.deleted")
    mail = {"host": "127.0.0.1", "port": "1", "tls": "none", "username": "ada", "password": "smtp password"}
    walk.secrets.append("smtp password")
    walk.form("/mail", mail, "mail_settings.changed")
    walk.form("/mail", mail | {"password": ""})  # no change
    walk.form("/mail/test", {"email_address": "ada@example.com"}, "mail.tested")
    walk.form("/mail/delete", None, "mail_settings.deleted")
    walk.form("/mail/delete")  # no change
    walk.form("/apps/new", {"name": "Web", "team": "0"}, "app.created")
    settings = {"name": "Web", "retention_days": "7", "grouping": list(RULES)}
    walk.form("/apps/web/settings", settings, "app.changed")
    assert _fields(walk.records[0])["changes"] == {"retention_days": 7}
    walk.form("/apps/web/settings", settings)  # no change
    walk.form("/teams/core/apps", {"app": "web"}, "app.assigned")
    walk.form("/teams/core/apps", {"app": "web"})  # no change
    walk.form("/teams/core/apps/web/remove", None, "app.unassigned")
    walk.form("/apps/other/regenerate-key", None, "ingestion_key.regenerated")
    walk.form("/apps/other/delete", {"confirm": "other"}, "app.deleted")


def _walk_channels(walk: Walk) -> None:
    path = "/apps/shop/alerts"
    events = {
        "events": "new_problem",
        "min_level": "debug",
        "min_interval_seconds": "0",
        "spike_occurrences": "100",
        "spike_minutes": "5",
    }
    walk.form(f"{path}/events", {"notify_on_new_problem": "y"}, "app.changed")
    walk.form(f"{path}/events", {"notify_on_new_problem": "y"})  # no change
    slack = {"name": "Slack", "url": "https://hooks.slack.com/services/verysecret"} | events
    walk.secrets += ["verysecret", "whsec_"]
    walk.form(f"{path}/new?kind=slack", slack, "channel.created")
    walk.form(f"{path}/2", slack | {"url": "", "name": "Ops"}, "channel.changed")
    assert _fields(walk.records[0])["fields"] == ["name"]
    walk.form(f"{path}/2", slack | {"url": "", "name": "Ops"})  # no change
    walk.form(f"{path}/2/enabled", {"enabled": "no"}, "channel.changed")
    walk.form(f"{path}/2/enabled", {"enabled": "no"})  # no change
    walk.form(f"{path}/2/delete", None, "channel.deleted")
    walk.form(f"{path}/1/rotate-secret", None, "channel.changed")
    channel = {"kind": "webhook", "name": "Hook", "config": {"url": "https://example.com"}}
    path = "/apps/shop/channels"
    channel_id = walk.api("POST", path, channel, "channel.created").get_json()["id"]
    walk.api("PATCH", f"{path}/{channel_id}", {"name": "New"}, "channel.changed")
    walk.api("PUT", f"{path}/{channel_id}", {"name": "New"})  # no change
    walk.api("POST", f"{path}/{channel_id}/rotate_secret", None, "channel.changed")
    walk.api("DELETE", f"{path}/{channel_id}", None, "channel.deleted")


def _walk_api(walk: Walk) -> None:
    walk.api("POST", "/apps/shop/regenerate_ingestion_key", None, "ingestion_key.regenerated")
    walk.api("DELETE", "/apps/shop", None, "app.deleted")
    user = {"email_address": "ann@example.com", "password": "battery staple"}
    walk.api("POST", "/users", user, "user.created")
    walk.api("PATCH", "/users/ann", {"email_address": "lee@example.com"}, "email.changed")
    walk.api("PUT", "/users/ann", {"password": "another horse"}, "password.changed")
    walk.api("PATCH", "/users/ann", {"email_address": "lee@example.com"})  # no change
    link = walk.api("POST", "/users/ann/password_link", None, "password_link.created").get_json()["url"]
    walk.secrets.append(link.rpartition("/")[2])
    created = walk.api("POST", "/apps", {"name": "Desktop"}, "app.created")
    walk.secrets.append(created.get_json()["ingestion_key"])
    walk.api("PATCH", "/apps/desktop", {"environment": "production"}, "app.changed")
    walk.api("PUT", "/apps/desktop", {"environment": "production"})  # no change
    hook = {"kind": "webhook", "name": "Hook", "config": {"url": "http://127.0.0.1:9/"}}
    created = walk.api("POST", "/apps/desktop/channels", hook, "channel.created").get_json()
    channel = f"/apps/desktop/channels/{created['id']}"
    rotated = walk.api("POST", f"{channel}/rotate_secret", None, "channel.changed").get_json()
    walk.secrets += [created["signing_secret"], rotated["signing_secret"]]
    walk.api("PATCH", channel, {"enabled": False}, "channel.changed")
    walk.api("PUT", channel, {"enabled": False, "name": "Hook"})  # no change
    walk.api("DELETE", channel, None, "channel.deleted")
    walk.api("POST", "/teams", {"name": "Api", "owner_id": "ann"}, "team.created")
    walk.api("POST", "/teams/api/apps", {"app_id": "desktop"}, "app.assigned")
    walk.api("POST", "/teams/api/apps", {"app_id": "desktop"})  # no change
    walk.api("DELETE", "/teams/api/apps/desktop", None, "app.unassigned")
    walk.api("DELETE", "/teams/api/apps/desktop")  # no change
    walk.api("PATCH", "/teams/api", {"name": "Apis"}, "team.renamed")
    member = walk.api("POST", "/teams/api/members", {"user_id": "sunday"}, "member.added").get_json()["id"]
    walk.api("PATCH", f"/teams/api/members/{member}", {"role": "admin"}, "member.role_changed")
    walk.api("PUT", f"/teams/api/members/{member}", {"role": "viewer"}, "member.role_changed")
    walk.api("DELETE", f"/teams/api/members/{member}", None, "member.removed")
    guest = {"email_address": "guest@example.com"}
    invitation = walk.api("POST", "/teams/api/invitations", guest, "invitation.created").get_json()
    walk.secrets.append(invitation["url"].rpartition("/")[2])
    walk.api("DELETE", f"/teams/api/invitations/{invitation['id']}", None, "invitation.revoked")
    walk.api("PUT", "/teams/api", {"owner_id": "sunday"}, "team.transferred")
    walk.api("DELETE", "/teams/api", None, "team.deleted")
    walk.api("DELETE", "/users/ann", None, "user.deleted")


def _walk_problems(walk: Walk) -> None:
    ids = walk.world.ids
    problem, tag, one = f"/problems/{ids['problem_id']}", ids["tag_id"], {"id": str(ids["problem_id"])}
    walk.form(f"{problem}/mute", {"mute": "forever"}, "problem.muted")
    walk.form(f"{problem}/unmute", None, "problem.unmuted")
    walk.form(f"{problem}/unmute")  # no change
    walk.form(f"{problem}/resolve", None, "problem.resolved")
    walk.form(f"{problem}/resolve")  # no change
    walk.form(f"{problem}/unresolve", None, "problem.reopened")
    walk.form(f"{problem}/tags", {"tag": "new"}, "problem.tagged")
    walk.form(f"{problem}/tags", {"tag": "new"})  # rejected
    walk.form(f"{problem}/tags/{tag}/remove", None, "problem.untagged")
    walk.form("/problems", one | {"action": "resolve"}, "problem.resolved")
    walk.form("/problems", one | {"action": "resolve"})  # no change
    walk.form("/apps/shop/problems", one | {"action": "unresolve"}, "problem.reopened")
    walk.form("/apps/shop/problems", one | {"action": "untag", "tag": "new"}, "problem.untagged")
    walk.form("/apps/shop/problems", one | {"action": "delete"})  # not confirmed
    path, body = f"/apps/shop{problem}", {"problem_ids": [ids["problem_id"], 10**19]}
    walk.api("POST", f"{path}/mute", {}, "problem.muted")
    walk.api("POST", f"{path}/unmute", None, "problem.unmuted")
    walk.api("POST", f"{path}/resolve", None, "problem.resolved")
    walk.api("POST", f"{path}/unresolve", None, "problem.reopened")
    added = walk.api("POST", f"{path}/tags", {"name": "api"}, "problem.tagged").get_json()
    walk.api("DELETE", f"{path}/tags/{added['id']}", None, "problem.untagged")
    many = "/apps/shop/problems/bulk_"
    walk.api("POST", f"{many}mute", body | {"reason": "known"}, "problem.muted")
    walk.api("POST", f"{many}unmute", body, "problem.unmuted")
    walk.api("POST", f"{many}resolve", body, "problem.resolved")
    walk.api("POST", f"{many}unresolve", body, "problem.reopened")
    walk.api("POST", f"{many}tag", body | {"tag": "api"}, "problem.tagged")
    walk.api("POST", f"{many}tag", body | {"tag": "api"})  # no change
    walk.api("POST", f"{many}untag", body | {"tag": "api"}, "problem.untagged")
    walk.api("DELETE", path, None, "problem.deleted")
    second, third = (walk.make.problem(1) for _ in range(2))
    walk.api("POST", f"{many}delete", {"problem_ids": [second]}, "problem.deleted")
    walk.api("POST", f"{many}delete", {"problem_ids": [second]})  # no change
    walk.form(f"/problems/{third}/delete", None, "problem.deleted")


def _owner() -> User:
    return _user("owner")


def _user(name: str) -> User:
    user = User.with_email_address(f"{name}@example.com")
    assert user is not None
    return user


@pytest.mark.slow
def test_every_route_that_changes_who_may_do_what_logs_one_line_for_each_change(walk: Walk) -> None:
    for part in (_walk_own_account, _walk_teams, _walk_server, _walk_channels, _walk_problems, _walk_api):
        part(walk)
    unsafe = {
        rule.endpoint for rule in walk.app.url_map.iter_rules() if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    }
    assert walk.visited & NOT_AUDITED == set()
    assert walk.visited | NOT_AUDITED == unsafe, "a new route: is what it changes audited?"
    text = "\n".join(walk.lines)
    for secret in (*walk.secrets, *PASSWORDS, PASSWORD):
        assert secret not in text


def test_every_event_is_documented() -> None:
    sources = "".join(path.read_text() for path in (Path(__file__).parents[2] / "checkend").rglob("*.py"))
    events = set(re.findall(r'(?:audit_log\.record|record_change)\(\s*"([a-z_.]+)"', sources))
    events |= {"site_admin.removed", "problem.reopened"}
    documented = set(re.findall(r"^\| `([a-z_.]+)`", DOCS.read_text(), re.MULTILINE))
    assert len(events) > 20
    assert events <= documented
    assert events == set(SENTENCES)


def test_the_line_says_who_did_it_from_where_and_to_whom(
    app: Flask, client: FlaskClient, make: Factory, records: list[logging.LogRecord]
) -> None:
    make.user("root@example.com", site_admin=True)
    make.user("bob@example.com")
    sign_in(client, "root@example.com")
    records.clear()
    client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    submit(client, "/users/bob/site-admin", {"grant": "yes"})
    (record,) = records
    assert _fields(record) == {
        "event": "site_admin.granted",
        "actor": "user 1 (root@example.com)",
        "client_ip": "192.0.2.7",
        "target": "user 2 (bob@example.com)",
    }
    expected = (
        'site_admin.granted actor="user 1 (root@example.com)" client_ip="192.0.2.7" target="user 2 (bob@example.com)"'
    )
    assert f" INFO checkend.audit {expected} request_id=" in TextFormatter().format(record)
    line = json.loads(JsonFormatter().format(record))
    assert line.items() >= (_fields(record) | {"level": "info", "logger": "checkend.audit"}).items()


def test_an_api_key_and_the_command_line_are_named_as_actors(
    app: Flask, client: FlaskClient, make: Factory, records: list[logging.LogRecord]
) -> None:
    value = make.run(lambda: ApiKey.create("deploys", ALL_PERMISSIONS)[1])
    prefix = value[:14]
    records.clear()
    body = {"email_address": "bob@example.com", "password": "battery staple"}
    client.post("/api/v1/users", json=body, headers={"Checkend-API-Key": value})
    line = TextFormatter().format(records[0])
    assert f'actor="API key 1 (deploys, {prefix})"' in line
    assert value not in line
    done = CliRunner().invoke(
        main, ["user", "delete", "bob@example.com", "--yes"], env={"CHECKEND_INSTANCE_PATH": app.instance_path}
    )
    assert done.exit_code == 0, done.output
    assert 'user.deleted actor="command line" target="user 1 (bob@example.com)"' in TextFormatter().format(records[1])


def test_apps_that_are_made_changed_and_deleted_on_the_command_line_are_logged(
    app: Flask, records: list[logging.LogRecord]
) -> None:
    for arguments in (["create", "Shop"], ["update", "shop", "--environment", "staging"], ["delete", "shop", "--yes"]):
        done = CliRunner().invoke(main, ["app", *arguments], env={"CHECKEND_INSTANCE_PATH": app.instance_path})
        assert done.exit_code == 0, done.output
    lines = [TextFormatter().format(record).partition("checkend.audit ")[2] for record in records]
    assert lines == [
        'app.created actor="command line" target="app 1 (Shop)"',
        'app.changed actor="command line" target="app 1 (Shop)" changes={"environment": "staging"}',
        'app.deleted actor="command line" target="app 1 (Shop)"',
    ]


HOSTILE = 'x") actor="root"\n2026-01-01T00:00:00.000Z INFO checkend.audit \u202e\u2028\x9b\\'


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_names_cannot_forge_a_line_or_a_field(
    make: Factory, records: list[logging.LogRecord], formatter: logging.Formatter
) -> None:
    def create() -> None:
        app = App.create("shop")
        app.name = HOSTILE
        app.regenerate_ingestion_key()

    make.run(create)
    line = formatter.format(records[-1])
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    if isinstance(formatter, JsonFormatter):
        assert json.loads(line)["target"] == f"app 1 ({HOSTILE})"
    else:
        target = line.partition(" target=")[2]
        assert json.loads(target) == f"app 1 ({HOSTILE})"
        assert line.count(' actor="') == 1 + line.count(' actor=\\"') - HOSTILE.count(" actor=")


def test_nothing_is_logged_before_the_commit_or_after_a_rollback(app: Flask, records: list[logging.LogRecord]) -> None:
    with app.app_context(), write_transaction():
        User.create("ann@example.com", "battery staple")
        assert _events(records) == []
        db.session.rollback()
        User.create("bob@example.com", "battery staple")
    assert [_fields(record)["target"] for record in records] == ["user 1 (bob@example.com)"]


def test_what_is_rejected_logs_nothing(client: FlaskClient, make: Factory, records: list[logging.LogRecord]) -> None:
    make.user("root@example.com", site_admin=True)
    sign_in(client, "root@example.com")
    team = make.team("Core", 1)
    records.clear()
    submit(client, "/users", {"email_address": "root@example.com"})
    submit(client, f"/teams/{team}/delete", {"confirm": "another name"})
    assert _events(records) == []


def test_setup_logs_what_it_makes(app: Flask, client: FlaskClient, records: list[logging.LogRecord]) -> None:
    setup = "/setup/" + (Path(app.instance_path) / "setup_token").read_text().strip()
    fields = {"email_address": "ada@example.com", "password": PASSWORD, "team_name": "Core", "app_name": "Shop"}
    submit(client, setup, fields, page=setup)
    assert _events(records) == ["user.created", "app.created", "team.created", "app.assigned", "sign_in.succeeded"]


def test_too_many_attempts_are_failed_sign_ins(
    client: FlaskClient, make: Factory, records: list[logging.LogRecord]
) -> None:
    for _ in range(6):
        submit(client, "/sign-in", {"email_address": "x@example.com", "password": "wrong password"}, page="/sign-in")
    reasons = [_fields(record)["reason"] for record in records]
    assert reasons == ["wrong email address or password"] * 5 + ["too many attempts"]
    assert {_fields(record)["target"] for record in records} == {"x@example.com"}
    assert {_fields(record)["actor"] for record in records} == {"anonymous"}


def test_a_password_link_in_a_mail_is_logged_with_the_client_ip_that_asked(
    app: Flask, client: FlaskClient, make: Factory, records: list[logging.LogRecord]
) -> None:
    make.user("ada@example.com")
    records.clear()
    app.config.update(MAIL_HOST="127.0.0.1", MAIL_PORT=1, URL="https://errors.example.com")
    for address in ("ada@example.com", "nobody@example.com"):
        fields = {"email_address": address}
        submit(client, "/forgotten-password", fields, page="/forgotten-password")
    send_mail(app)
    (record,) = records
    assert _fields(record)["event"] == "password_link.created"
    assert (_fields(record)["actor"], _fields(record)["client_ip"]) == ("anonymous", "127.0.0.1")


def test_the_token_of_a_password_link_is_in_no_line(
    app: Flask, make: Factory, records: list[logging.LogRecord]
) -> None:
    user_id = make.user("ada@example.com")
    with app.test_request_context():
        token = password_reset.create_token(db.session.get_one(User, user_id))
    assert token not in TextFormatter().format(records[-1])
