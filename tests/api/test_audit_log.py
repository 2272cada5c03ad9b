"""The stored audit log, and GET /api/v1/audit_log."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from checkend import clock
from checkend.cli import main
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import App, AuditEntry, Problem, User, audit_entry
from checkend.models.audit_entry import delete_excess_entries, delete_old_entries
from tests.support.api import Api, assert_error
from tests.support.factories import Factory
from tests.support.pages import sign_in, submit


@pytest.fixture
def api(client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> Api:
    return Api(client, key_for())


NOT_AN_EVENT = "must be an event, such as problem.resolved, or a group of them, such as problem."


def entries(api: Api, **parameters: Any) -> list[dict[str, Any]]:
    response = api.get("/audit_log", **parameters)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.get_json()["data"]
    return found


def events(api: Api, **parameters: Any) -> list[str]:
    return [entry["event"] for entry in entries(api, **parameters)]


def test_an_entry_says_who_did_what_to_which_record_from_where_and_when(api: Api, make: Factory) -> None:
    app = make.app("Shop")
    problem = make.problem(app["id"])
    headers = api.headers | {"X-Request-Id": "deploy-17"}
    api.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    api.client.post(f"/api/v1/apps/shop/problems/{problem}/mute", json={"reason": "known"}, headers=headers)
    (entry,) = entries(api, event="problem")
    prefix = api.headers["Checkend-API-Key"][:14]
    assert clock.now() - datetime.fromisoformat(entry.pop("at")) < timedelta(minutes=1)
    assert entry == {
        "id": 3,
        "event": "problem.muted",
        "actor": {"kind": "api_key", "id": 1, "label": f"test, {prefix}"},
        "client_ip": "192.0.2.7",
        "target": {"kind": "problem", "id": problem, "label": "RuntimeError"},
        "app_id": app["id"],
        "details": {"app": {"kind": "app", "id": app["id"], "label": "Shop"}, "reason": "known"},
        "request_id": "deploy-17",
    }


def test_a_bulk_action_is_one_entry_with_the_number_and_the_first_ids(api: Api, make: Factory) -> None:
    app = make.app("Shop")["id"]
    ids = [make.problem(app) for _ in range(103)]
    api.post("/apps/shop/problems/bulk_resolve", {"problem_ids": ids + ids})
    (entry,) = entries(api, event="problem.resolved")
    assert entry["target"] == {"kind": "problems", "id": None, "label": "103 problems"}
    assert entry["app_id"] == app
    assert entry["details"] == {
        "count": 103,
        "ids": ids[:100],
        "app": {"kind": "app", "id": app, "label": "Shop"},
    }


def test_a_bulk_action_on_several_apps_names_them(api: Api, make: Factory, client: FlaskClient) -> None:
    make.user("ada@example.com", site_admin=True)
    ids = [make.problem(make.app(name)["id"]) for name in ("Shop", "Desk")]
    sign_in(client, "ada@example.com")
    submit(client, "/problems", {"action": "resolve", "id": ids})
    (entry,) = entries(api, event="problem.resolved")
    assert entry["actor"] == {"kind": "user", "id": 1, "label": "ada@example.com"}
    assert entry["target"]["label"] == "2 problems"
    assert entry["app_id"] is None
    assert [app["label"] for app in entry["details"]["apps"]] == ["Shop", "Desk"]
    assert entry["details"]["apps_count"] == 2


def test_problems_that_are_resolved_by_one_command_are_one_entry(app: Flask, api: Api, make: Factory) -> None:
    shop = make.app("Shop")["id"]
    ids = [make.problem(shop) for _ in range(2)]
    done = CliRunner().invoke(
        main, ["problem", "resolve", *map(str, ids)], env={"CHECKEND_INSTANCE_PATH": app.instance_path}
    )
    assert done.exit_code == 0, done.output
    (entry,) = entries(api, event="problem.resolved")
    assert entry["actor"] == {"kind": "command_line", "id": None, "label": "command line"}
    assert (entry["client_ip"], entry["request_id"]) == (None, None)
    assert entry["details"]["ids"] == ids


def test_deleting_problems_is_recorded_once_and_stays_when_the_app_is_deleted(api: Api, make: Factory) -> None:
    app = make.app("Shop")["id"]
    ids = [make.problem(app, 1) for _ in range(3)]
    api.post("/apps/shop/problems/bulk_delete", {"problem_ids": ids[:2]})
    api.delete("/apps/shop")
    assert events(api, app=app) == ["app.deleted", "problem.deleted", "app.created"]
    assert entries(api, event="problem")[0]["details"]["count"] == 2
    assert entries(api, event="app.deleted")[0]["target"] == {"kind": "app", "id": app, "label": "Shop"}


def test_a_user_who_is_deleted_stays_the_actor(api: Api, client: FlaskClient, make: Factory) -> None:
    make.user("root@example.com", site_admin=True)
    ada = make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    submit(client, "/teams", {"name": "Core"})
    team = entries(api, event="team.created")[0]
    submit(client, "/teams/core/delete", {"confirm": "Core"})
    make.run(lambda: db.session.get_one(User, ada).delete())
    assert entries(api, event="team.created") == [team]
    assert entries(api, actor=f"user:{ada}", event="team.created") == [team]


def test_what_is_rolled_back_leaves_no_entry(app: Flask, api: Api, make: Factory) -> None:
    shop = make.app("Shop")["id"]
    problem = make.problem(shop)
    with app.app_context():
        with write_transaction():
            db.session.get_one(App, shop).change(name="Other")
            db.session.get_one(Problem, problem).resolve()
            db.session.rollback()
        with write_transaction():
            db.session.get_one(App, shop).change(environment="staging")
    assert events(api, app="shop") == ["app.changed", "app.created"]
    assert entries(api, event="app.changed")[0]["details"] == {"changes": {"environment": "staging"}}


def test_a_change_whose_entry_cannot_be_written_is_not_made(
    api: Api, make: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    shop = make.app("Shop")["id"]
    problem = make.problem(shop)
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'refused'); END"
    make.run(lambda: db.session.execute(db.text(refuse)))
    caplog.clear()
    assert api.patch("/apps/shop", {"name": "Other"}).status_code == 409
    assert api.post(f"/apps/shop/problems/{problem}/resolve").status_code == 409
    make.run(lambda: db.session.execute(db.text("DROP TRIGGER refuse")))
    assert api.get("/apps/shop").get_json()["name"] == "Shop"
    assert api.get(f"/apps/shop/problems/{problem}").get_json()["status"] == "unresolved"
    assert "app.changed" not in caplog.text


def test_failed_sign_ins_are_stored_up_to_a_number_and_those_beyond_the_rate_limit_are_only_logged(
    app: Flask, api: Api, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        fields = {"email_address": f"{name}@example.com", "password": "wrong password"}
        submit(client, "/sign-in", fields, page="/sign-in")

    def failed() -> list[str]:
        return [entry["target"]["label"].partition("@")[0] for entry in entries(api, event="sign_in.failed")]

    client.environ_base["REMOTE_ADDR"] = "192.0.2.8"
    for _ in range(7):
        fail("x")
    assert failed() == ["x"] * 5
    assert entries(api, event="sign_in.failed")[0]["target"] == {"kind": None, "id": None, "label": "x@example.com"}
    monkeypatch.setattr(audit_entry, "MAX_FAILED_SIGN_INS", 3)
    fail("y")
    assert failed() == ["y", "x", "x"]
    assert "api_key.created" in events(api)


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, "87654321"),
        ({"event": "app"}, "84"),
        ({"event": "app.created"}, "4"),
        ({"event": "team"}, "76"),
        ({"actor": "user"}, "765"),
        ({"actor": "user:1"}, "765"),
        ({"actor": "user:2"}, ""),
        ({"actor": "ADA@"}, "765"),
        ({"actor": "command_line"}, "84321"),
        ({"actor": "command_line:1"}, ""),
        ({"target": "team:1"}, "76"),
        ({"target": "app"}, "84"),
        ({"target": "%"}, ""),
        ({"target": "hop"}, "84"),
        ({"app": "shop"}, "84"),
        ({"app": "1"}, "84"),
        ({"app": "99"}, ""),
        ({"before": "3"}, "21"),
        ({"before": "0"}, ""),
        ({"date_to": "2020-01-01"}, ""),
        ({"date_from": "2020-01-01", "event": "app"}, "84"),
        ({"per_page": "3", "page": "2"}, "543"),
    ],
    ids=str,
)
def test_filters(few: Api, parameters: dict[str, str], found: str) -> None:
    assert "".join(str(entry["id"]) for entry in entries(few, **parameters)) == found


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Provide the log of a server on which little has happened."""
    from checkend.app import create_app
    from checkend.auth.permissions import ALL_PERMISSIONS
    from checkend.models import ApiKey
    from checkend.services import services

    app = create_app({"RATE_LIMIT_ENABLED": "false"}, instance_path=tmp_path_factory.mktemp("few") / "instance")
    make, client = Factory(app), app.test_client()
    make.user("ada@example.com", site_admin=True)  # 1
    value = make.run(lambda: ApiKey.create("a", ALL_PERMISSIONS)[1])  # 2
    make.user("bob@example.com")  # 3
    shop = make.app("Shop")["id"]  # 4
    sign_in(client, "ada@example.com")  # 5
    submit(client, "/teams", {"name": "Core"})
    submit(client, "/teams/core", {"name": "Kernel"})
    make.run(lambda: db.session.get_one(App, shop).change(name="Big shop"))
    yield Api(client, {"Checkend-API-Key": value})
    services(app).close()


def test_a_page_of_the_list_has_links_and_the_total(few: Api) -> None:
    response = few.get("/audit_log", per_page=5)
    assert response.get_json()["pagination"] == {"page": 1, "per_page": 5, "total": 8, "total_pages": 2}
    assert any('rel="next"' in link for link in response.headers.getlist("Link"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"event": "problem.eaten"}, f"event {NOT_AN_EVENT}"),
        ({"date_from": "soon"}, "date_from must be a date or a time, such as 2024-01-15 or 2024-01-15T10:30:00Z."),
        ({"before": "x"}, "before must be a whole number, 0 or more."),
        ({"app": "no\0such"}, "There is no app with the slug 'no\\x00such'."),
        ({"actors": "user"}, "Unknown parameter 'actors'; did you mean 'actor'?"),
    ],
)  # fmt: skip
def test_invalid_filters_are_rejected(few: Api, parameters: dict[str, str], message: str) -> None:
    assert_error(few.get("/audit_log", **parameters), 422, message)


def test_only_keys_with_the_permission_read_the_log(client: FlaskClient, key_for: Callable[..., Any]) -> None:
    assert_error(Api(client, key_for("users:read")).get("/audit_log"), 403)
    assert Api(client, key_for("audit:read")).get("/audit_log").status_code == 200


def test_old_entries_are_deleted_in_batches(
    app: Flask, api: Api, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_entry, "DELETE_BATCH_SIZE", 2)
    for number in range(5):
        make.app(f"App {number}")
    make.run(lambda: db.session.execute(db.update(AuditEntry).values(at=clock.now() - timedelta(days=31))))
    make.app("New")
    with app.app_context():
        assert list(delete_old_entries(32)) == [0]
        assert list(delete_old_entries(30, limit=3)) == [2, 1]
        assert list(delete_old_entries(30)) == [2, 1]
    assert [entry["target"]["label"] for entry in entries(api)] == ["New"]


def test_the_number_of_entries_is_limited(app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_entry, "MAX_ENTRIES", 3)
    for number in range(5):
        make.app(f"App {number}")
    with app.app_context():
        assert list(delete_excess_entries()) == [2]
        assert list(delete_excess_entries()) == []
        assert db.session.scalar(select(func.min(AuditEntry.id))) == 3
