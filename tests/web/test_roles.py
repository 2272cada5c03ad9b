"""Permissions of the roles: the code, the docs and every page and action agree with one table."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from checkend.app import create_app
from checkend.auth.roles import ROLE_CAPABILITIES, Capability
from checkend.db.connection import DATABASE_FILE_NAME
from checkend.db.session import db
from checkend.models.team import ROLES
from checkend.notifications.encryption import KEYS_FILE_NAME
from checkend.services import services
from tests.support.team import KINDS, World, build

DOCS = Path(__file__).parents[2] / "docs" / "permissions.md"
ON_SERVER = {
    Capability.CREATE_TEAM,
    Capability.MANAGE_API_KEYS,
    Capability.MANAGE_USERS,
    Capability.MANAGE_MAIL,
    Capability.READ_AUDIT_LOG,
}


@dataclass(frozen=True)
class Act:
    """A page or an action: the required capability (None: signed in), the form data and the URL's values."""

    endpoint: str
    method: str
    ability: Capability | None
    fields: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.method, self.endpoint, *map(str, self.fields.values())])


SHOP, CORE, SUNDAY = {"slug": "shop"}, {"slug": "core"}, {"slug": "sunday"}
PROBLEM = {"problem_id": "problem_id"}
CHANNEL = SHOP | {"channel_id": "channel_id"}
DELIVERY = CHANNEL | {"delivery_id": "delivery_id"}
NOTICE = PROBLEM | {"notice_id": "notice_id"}
FILTERS = {
    "events": "new_problem",
    "min_level": "debug",
    "min_interval_seconds": "0",
    "spike_occurrences": "100",
    "spike_minutes": "5",
}
EVERYWHERE = [
    Act("home.index", "GET", None),
    Act("problems.index", "GET", None),
    Act("live.changes", "GET", None, values={"seen": "0"}),
    Act("apps.index", "GET", None),
    Act("teams.index", "GET", None),
    Act("account.profile", "GET", None),
    Act(
        "account.change_address",
        "POST",
        None,
        {"email_address": "new@example.com", "current_password": "correct horse"},
    ),
    Act("account.change_password", "POST", None, {"current": "correct horse", "password": "battery staple"}),
    Act("account.notifications", "GET", None),
    Act("account.change_notifications", "POST", None, {"app-1": "none"}),
    Act("account.sessions", "GET", None),
    Act("account.revoke_other_sessions", "POST", None),
]
APPS = [
    Act("apps.show", "GET", Capability.SEE_APP, values=SHOP),
    Act("problems.app_index", "GET", Capability.SEE_APP, values=SHOP),
    Act("live.app_changes", "GET", Capability.SEE_APP, values=SHOP | {"seen": "0"}),
    Act("apps.settings", "GET", Capability.EDIT_APP, values=SHOP),
    Act("apps.settings", "POST", Capability.EDIT_APP, {"name": "Shop"}, SHOP),
    Act("connect.first_error", "GET", Capability.EDIT_APP, values=SHOP),
    Act("connect.send_test_error", "POST", Capability.EDIT_APP, values=SHOP),
    Act("apps.regenerate_key", "POST", Capability.REGENERATE_KEY, values=SHOP),
    Act("apps.delete", "POST", Capability.DELETE_APP, {"confirm": "shop"}, SHOP),
]
ALERTS = [
    Act("alerts.index", "GET", Capability.EDIT_APP, values=SHOP),
    Act("alerts.change_events", "POST", Capability.EDIT_APP, {"notify_on_new_problem": "y"}, SHOP),
    Act("alerts.new", "GET", Capability.EDIT_APP, values=SHOP),
    Act("alerts.new", "GET", Capability.EDIT_APP, values=SHOP | {"kind": "telegram"}),
    Act("alerts.new", "POST", Capability.EDIT_APP, {"name": "Mail"} | FILTERS, SHOP | {"kind": "email"}),
    Act("alerts.edit", "GET", Capability.EDIT_APP, values=CHANNEL),
    Act("alerts.edit", "POST", Capability.EDIT_APP, {"name": "H", "url": "https://example.com"} | FILTERS, CHANNEL),
    Act("alerts.set_enabled", "POST", Capability.EDIT_APP, {"enabled": "no"}, CHANNEL),
    Act("alerts.test", "POST", Capability.EDIT_APP, values=CHANNEL),
    Act("alerts.rotate_secret", "POST", Capability.EDIT_APP, values=CHANNEL),
    Act("alerts.secret", "GET", Capability.EDIT_APP, values=CHANNEL),
    Act("alerts.deliveries", "GET", Capability.EDIT_APP, values=CHANNEL),
    Act("alerts.redeliver", "POST", Capability.EDIT_APP, values=DELIVERY),
    Act("alerts.delete", "POST", Capability.EDIT_APP, values=CHANNEL),
]
PROBLEMS = [
    Act("problem.show", "GET", Capability.SEE_APP, values=PROBLEM),
    Act("problem.notices", "GET", Capability.SEE_APP, values=PROBLEM),
    Act("problem.as_markdown", "GET", Capability.SEE_APP, values=PROBLEM),
    Act("notice.show", "GET", Capability.SEE_APP, values=NOTICE),
    Act("notice.as_raw", "GET", Capability.SEE_APP, values=NOTICE),
    Act("problem.resolve", "POST", Capability.RESOLVE, values=PROBLEM),
    Act("problem.unresolve", "POST", Capability.RESOLVE, values=PROBLEM),
    Act("problem.mute", "POST", Capability.RESOLVE, {"mute": "forever"}, PROBLEM),
    Act("problem.unmute", "POST", Capability.RESOLVE, values=PROBLEM),
    Act("problem.add_tag", "POST", Capability.TAG, {"tag": "new"}, PROBLEM),
    Act("problem.remove_tag", "POST", Capability.TAG, values=PROBLEM | {"tag_id": "tag_id"}),
    Act("problem.delete", "POST", Capability.DELETE_PROBLEMS, values=PROBLEM),
    Act("problems.app_bulk_update", "POST", Capability.RESOLVE, {"action": "resolve", "id": "1"}, SHOP),
    Act("problems.app_bulk_update", "POST", Capability.RESOLVE, {"action": "unresolve", "id": "1"}, SHOP),
    Act("problems.app_bulk_update", "POST", Capability.RESOLVE, {"action": "mute", "mute": "1d", "id": "1"}, SHOP),
    Act("problems.app_bulk_update", "POST", Capability.RESOLVE, {"action": "unmute", "id": "1"}, SHOP),
    Act("problems.app_bulk_update", "POST", Capability.TAG, {"action": "tag", "id": "1", "tag": "x"}, SHOP),
    Act("problems.app_bulk_update", "POST", Capability.TAG, {"action": "untag", "id": "1", "tag": "seen"}, SHOP),
    Act(
        "problems.app_bulk_update",
        "POST",
        Capability.DELETE_PROBLEMS,
        {"action": "delete", "id": "1", "confirmed": "yes"},
        SHOP,
    ),
]
TEAMS = [
    Act("teams.show", "GET", Capability.SEE_TEAM, values=CORE),
    Act("teams.rename", "POST", Capability.EDIT_TEAM, {"name": "Core"}, CORE),
    Act(
        "team_members.change_role",
        "POST",
        Capability.MANAGE_MEMBERS,
        {"role": "member"},
        CORE | {"member_id": "member_id"},
    ),
    Act("team_members.remove", "POST", Capability.MANAGE_MEMBERS, values=CORE | {"member_id": "member_id"}),
    Act("team_members.assign_app", "POST", Capability.ASSIGN_APPS, {"app": "shop"}, CORE),
    Act("team_members.remove_app", "POST", Capability.ASSIGN_APPS, values=CORE | {"app_slug": "shop"}),
    Act("invitations.create", "POST", Capability.INVITE, {"email_address": "x@example.com", "role": "viewer"}, CORE),
    Act("invitations.resend", "POST", Capability.INVITE, values=CORE | {"invitation_id": "invitation_id"}),
    Act("invitations.revoke", "POST", Capability.INVITE, values=CORE | {"invitation_id": "invitation_id"}),
    Act("teams.hand_over", "POST", Capability.TRANSFER_TEAM, {"member": "1"}, CORE),
    Act("teams.delete", "POST", Capability.DELETE_TEAM, {"confirm": "core"}, CORE),
    Act("team_members.leave", "POST", Capability.SEE_TEAM, values=CORE),
]
SERVER = [
    Act("teams.create", "POST", Capability.CREATE_TEAM, {"name": "New"}),
    Act("api_keys.index", "GET", Capability.MANAGE_API_KEYS),
    Act("api_keys.create", "GET", Capability.MANAGE_API_KEYS),
    Act("api_keys.create", "POST", Capability.MANAGE_API_KEYS, {"name": "k", "permissions": "apps:read"}),
    Act("api_keys.created", "GET", Capability.MANAGE_API_KEYS, values={"key_id": "key_id"}),
    Act("api_keys.revoke", "POST", Capability.MANAGE_API_KEYS, values={"key_id": "key_id"}),
    Act("api_keys.delete", "POST", Capability.MANAGE_API_KEYS, values={"key_id": "key_id"}),
    Act("audit_log.index", "GET", Capability.READ_AUDIT_LOG),
    Act("audit_log.export", "GET", Capability.READ_AUDIT_LOG),
    Act("mail.show", "GET", Capability.MANAGE_MAIL),
    Act("mail.save", "POST", Capability.MANAGE_MAIL, {"host": "mail.example.com", "port": "25", "tls": "none"}),
    Act("mail.send_test", "POST", Capability.MANAGE_MAIL, {"email_address": "x@example.com"}),
    Act("mail.delete", "POST", Capability.MANAGE_MAIL),
    Act("users.index", "GET", Capability.MANAGE_USERS),
    Act("users.create", "POST", Capability.MANAGE_USERS, {"email_address": "x@example.com"}),
    Act("users.password_link", "POST", Capability.MANAGE_USERS, values=SUNDAY),
    Act("users.set_site_admin", "POST", Capability.MANAGE_USERS, {"grant": "yes"}, SUNDAY),
    Act("users.delete", "POST", Capability.MANAGE_USERS, values=SUNDAY),
]
ACTS = EVERYWHERE + APPS + ALERTS + PROBLEMS + TEAMS + SERVER
ELSEWHERE = {  # available without signing in, or with a rule that has a test of its own
    "static",
    "bootstrap.static",
    "setup.start",
    "sign_in.sign_in",
    "sign_in.sign_out",
    "passwords.forgotten",
    "passwords.renew",
    "email_change.confirm",
    "invitation.join",
    "theme.choose",
    "unsubscribe.show",
    "account.revoke_session",  # only the user's own: test_account.py
    "api_reference.show",
    "api_reference.show_group",
    "api_reference.try_out",
    "api_reference.swagger_ui_file",
    "apps.new",  # for a team: below
    "team_members.add",  # two capabilities: below
    "problems.bulk_update",  # on several apps: below
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Provide the data of `people.build`, while its server is not running."""
    folder = tmp_path_factory.mktemp("world") / "instance"
    app = create_app({"RATE_LIMIT_ENABLED": "false"}, instance_path=folder)
    world = build(app)
    world.tokens = {kind: world.start_session(kind) for kind in KINDS}
    services(app).close()
    with app.app_context():
        db.engine.dispose()  # everything that was written is now in one file
    return world


@contextmanager
def _copy(template: World, folder: Path) -> Iterator[World]:
    folder.mkdir()
    for name in (DATABASE_FILE_NAME, KEYS_FILE_NAME):
        shutil.copy(Path(template.app.instance_path) / name, folder)
    app = create_app({"RATE_LIMIT_ENABLED": "false"}, instance_path=folder)
    yield World(app, template.ids, template.people, template.tokens)
    services(app).close()


@pytest.fixture
def world(template: World, tmp_path: Path) -> Iterator[World]:
    """Provide a copy of the data that a test may change."""
    with _copy(template, tmp_path / "instance") as world:
        yield world


@pytest.fixture(scope="module")
def unchanged(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Provide a copy of the data for all tests that change nothing."""
    with _copy(template, tmp_path_factory.mktemp("unchanged") / "instance") as world:
        yield world


def _address(world: World, act: Act) -> str:
    values = {name: world.ids.get(value, value) for name, value in act.values.items()}
    with world.app.test_request_context():
        return world.app.url_for(act.endpoint, **values)


def _do(world: World, act: Act, kind: str) -> int:
    if act.method == "GET":
        return world.browser(kind).get(_address(world, act)).status_code
    return world.post(kind, _address(world, act), act.fields)


def _expected(act: Act, kind: str) -> str:
    if act.ability is None or kind == "site admin":
        return "allowed"
    if kind == "outsider":
        return "forbidden" if act.ability in ON_SERVER else "not found"
    return "allowed" if act.ability in ROLE_CAPABILITIES[kind] else "forbidden"  # type: ignore[index]  # the rest are roles


def _outcome(status: int) -> str:
    return {403: "forbidden", 404: "not found"}.get(status, "allowed" if status in (200, 302) else str(status))


def test_roles_that_may_not_are_rejected_and_change_nothing(unchanged: World) -> None:
    before = _content(unchanged)
    for act in ACTS:
        for kind in KINDS:
            if (expected := _expected(act, kind)) != "allowed":
                assert (str(act), kind, _outcome(_do(unchanged, act, kind))) == (str(act), kind, expected)
    assert _content(unchanged) == before


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_each_page_and_action_works_for_the_roles_of_the_table(act: Act, request: pytest.FixtureRequest) -> None:
    world: World = request.getfixturevalue("unchanged" if act.method == "GET" else "world")
    allowed = [kind for kind in reversed(KINDS) if _expected(act, kind) == "allowed"]
    # Allowed actions change the data: the lowest role that may do it comes first, and shows that the action works.
    for kind in allowed if act.method == "GET" else allowed[:1]:
        assert (kind, _outcome(_do(world, act, kind))) == (kind, "allowed")


def _content(world: World) -> dict[str, Any]:
    with sqlite3.connect(Path(world.app.instance_path) / DATABASE_FILE_NAME) as store:
        tables = ("apps", "teams", "team_members", "team_apps", "problems", "tags", "problem_tags", "api_keys")
        tables = (*tables, "channels", "deliveries", "notification_preferences")
        found = {name: store.execute(f"SELECT * FROM {name}").fetchall() for name in (*tables, "invitations")}
        found["users"] = store.execute("SELECT id, email_address, site_admin, password_digest FROM users").fetchall()
    store.close()
    return found


def test_every_page_of_the_dashboard_is_in_the_tables_of_this_test(app: Flask) -> None:
    pages = {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith(("/api/", "/ingest/")) and not rule.endpoint.startswith("monitoring.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    tested = {(act.endpoint, act.method) for act in ACTS}
    assert {page for page in pages - tested if page[0] not in ELSEWHERE} == set()
    assert {page[0] for page in pages} >= ELSEWHERE | {act.endpoint for act in ACTS}


def test_anonymous_users_are_redirected_to_sign_in(unchanged: World) -> None:
    client = unchanged.app.test_client()
    for act in ACTS:
        if act.method == "GET":
            answer = client.get(_address(unchanged, act))
            assert (act.endpoint, answer.status_code) == (act.endpoint, 302)
            assert answer.location.startswith("/sign-in")


def test_capabilities_grow_with_the_role() -> None:
    for higher, lower in pairwise(ROLES):
        assert ROLE_CAPABILITIES[higher] > ROLE_CAPABILITIES[lower]
    assert not ON_SERVER & ROLE_CAPABILITIES["owner"]


@pytest.mark.parametrize(("kind", "status"), [("developer", 302), ("member", 403), ("outsider", 403)])
def test_apps_are_made_by_developers_for_their_own_team(kind: str, status: int, world: World) -> None:
    team = {"name": "new", "team": "1"}
    assert world.post(kind, "/apps/new", team) == status
    assert world.client(kind).get("/apps/new").status_code == (200 if status == 302 else 403)
    if status == 302:
        assert world.post(kind, "/apps/new", team | {"team": "2"}) == 422  # a team of other users
        assert world.post(kind, "/apps/new", team | {"team": "0"}) == 422  # no team


@pytest.mark.parametrize(("kind", "status"), [("site admin", 302), ("owner", 403), ("viewer", 403), ("outsider", 404)])
def test_only_site_admins_add_users_by_address_to_a_team(kind: str, status: int, world: World) -> None:
    fields = {"email_address": "outsider@example.com", "role": "viewer"}
    assert world.post(kind, "/teams/core/members", fields) == status


@pytest.mark.parametrize(("kind", "status"), [("member", 302), ("viewer", 403), ("outsider", 403)])
def test_bulk_actions_across_apps_change_only_apps_where_they_are_allowed(kind: str, status: int, world: World) -> None:
    assert world.post(kind, "/problems", {"action": "resolve", "id": "1"}) == status


def test_no_user_grants_a_role_above_their_own_or_changes_a_member_who_has_one(world: World) -> None:
    sunday = f"/teams/core/members/{world.ids['member_id']}"
    world.post("admin", sunday, {"role": "owner"})
    assert ">owner</option>" not in world.client("admin").get("/teams/core").text
    assert _role_of(world, "sunday") == "viewer"
    assert world.post("admin", "/teams/core/members/1", {"role": "viewer"}) == 403  # the owner
    assert world.post("admin", "/teams/core/members/1/remove") == 403
    assert world.post("owner", sunday, {"role": "owner"}) == 302
    assert _role_of(world, "sunday") == "owner"


def test_apps_of_other_teams_cannot_be_assigned_to_the_users_own(world: World) -> None:
    assert world.post("owner", "/teams/core/apps", {"app": "other"}) == 404
    assert ">other</option>" not in world.client("owner").get("/teams/core").text


def _role_of(world: World, kind: str) -> str:
    with sqlite3.connect(Path(world.app.instance_path) / DATABASE_FILE_NAME) as store:
        query = "SELECT role FROM team_members WHERE user_id = ? AND team_id = 1"
        found: str = store.execute(query, (world.people[kind],)).fetchone()[0]
    store.close()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_actions_that_are_not_allowed_are_not_offered(kind: str, unchanged: World) -> None:
    """Every form and link on the pages that a user sees is one that the user may use."""
    client = unchanged.browser(kind)
    offered: set[str] = set()
    for act in ACTS:
        if act.method == "GET" and _expected(act, kind) == "allowed":
            text = client.get(_address(unchanged, act)).get_data(as_text=True)
            offered |= set(re.findall(r'<form[^>]*method="post"[^>]*action="([^"?]+)', text))
            offered |= set(re.findall(r'<a [^>]*href="(/[^"?#]*)', text))
    forbidden = {_address(unchanged, act) for act in ACTS if act.method == "POST" and _expected(act, kind) != "allowed"}
    forbidden |= {_address(unchanged, act) for act in ACTS if act.method == "GET" and _expected(act, kind) != "allowed"}
    seen = {_address(unchanged, act) for act in ACTS if _expected(act, kind) == "allowed"}
    assert offered & (forbidden - seen) == set()


def table() -> str:
    """Return the table of docs/permissions.md, generated from the code."""
    kinds = [*reversed(ROLES), "site admin"]
    lines = ["| | " + " | ".join(kinds) + " |", "|---|" + ":-:|" * len(kinds)]
    for ability in Capability:
        marks = ["✓" if kind == "site admin" or ability in ROLE_CAPABILITIES[kind] else "" for kind in kinds]  # type: ignore[index]
        lines.append(f"| {ability.help} | " + " | ".join(marks) + " |")
    return "\n".join(lines)


def test_the_docs_show_the_table_that_decides() -> None:
    assert table() in DOCS.read_text(encoding="utf-8"), f"docs/permissions.md should hold:\n{table()}"
