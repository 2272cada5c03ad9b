"""The one envelope for everything that goes wrong under /api/."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from checkend import create_app, log
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db import session as db_session
from checkend.db.session import db
from checkend.db.transactions import begin_writing
from checkend.models import ApiKey, App
from checkend.services import services
from tests.support.api import Api, assert_error
from tests.support.factories import Factory


@pytest.mark.parametrize(
    "path", ["", "x", "v1", "v1/", "v1/nope", "v1/apps//", "v1/apps//problems", "v2/apps", "v1/%ff"]
)
def test_an_unknown_path_is_not_found_without_a_key(app: Flask, path: str) -> None:
    for method in ("GET", "POST", "PATCH", "DELETE"):
        assert_error(Api(app.test_client(), {}).client.open(f"/api/{path}", method=method), 404)


def test_the_place_of_the_api_itself_answers_as_the_api_does(app: Flask) -> None:
    answer = app.test_client().get("/api")
    assert_error(answer, 404)
    assert "Content-Security-Policy" not in answer.headers


def test_the_log_tells_the_number_of_faults_and_not_what_was_sent(api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "text")
    assert_error(api.post("/apps", {"name": "A", "hunter2": 1, "hunter3": 2}), 422)
    assert_error(api.post("/teams", {"name": "A", "owner_id": "hunter4"}), 422)
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition("rejected ")[2] for line in lines] == [
        "POST /api/v1/apps: 422 2 validation errors",
        "POST /api/v1/teams: 422 1 validation error",
    ]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/apps", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/apps/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("GET", "/apps/1/problems/1/resolve", "OPTIONS, POST"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/teams/1/apps/1", "DELETE, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(app: Flask, method: str, path: str, allowed: str) -> None:
    answer = Api(app.test_client(), {}).call(method, path)
    assert_error(answer, 405)
    assert answer.headers["Allow"] == allowed


def test_a_fault_of_ours_shows_nothing_of_the_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[App]:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(App, "newest_first", broken)
    answer = api.get("/apps")
    assert_error(answer, 500)
    assert "secret" not in answer.get_data(as_text=True)


def test_a_name_taken_at_the_same_moment_is_a_conflict(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.post("/apps", {"name": "A"})
    monkeypatch.setattr("checkend.models.app.unique_slug", lambda *_: "a")
    assert_error(api.post("/apps", {"name": "A"}), 409)
    assert len(api.get("/apps").get_json()) == 1


def test_a_path_cannot_forge_a_line_of_the_log(app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "text")
    app.test_client().get("/api/x%0A2024-01-15 INFO forged%1B[31m")
    written = capfd.readouterr().err
    assert written.count("\n") == 1
    assert "/api/x\\x0a2024-01-15 INFO forged\\x1b[31m" in written


def test_slashes_before_the_path_count_as_one(api: Api) -> None:
    assert api.client.get("/", headers=api.headers, environ_overrides={"PATH_INFO": "//api/v1/apps"}).status_code == 200


def test_an_answer_of_the_api_is_not_open_to_other_origins(api: Api) -> None:
    answer = api.client.get("/api/v1/apps", headers=api.headers | {"Origin": "https://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The API of a server that waits a tenth of a second for the store's lock."""
    monkeypatch.setattr(db_session, "REQUEST_LOCK_SECONDS", 0.1)
    app = create_app(instance_path=tmp_path / "impatient")
    with app.app_context():
        begin_writing()
        App.create("Shop")
        _, value = ApiKey.create("x", ALL_PERMISSIONS)
        db.session.commit()
    yield Api(app.test_client(), {"Checkend-API-Key": value})
    services(app).close()


def test_reading_goes_on_while_another_process_holds_the_store(impatient: Api) -> None:
    path = Path(impatient.client.application.instance_path) / "checkend.sqlite3"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert impatient.get("/apps").status_code == 200
    for answer in (impatient.post("/apps", {"name": "B"}), impatient.delete("/apps/shop")):
        assert_error(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
    other.execute("ROLLBACK")
    other.close()
    assert impatient.post("/apps", {"name": "B"}).status_code == 201
    assert [app["name"] for app in impatient.get("/apps").get_json()] == ["B", "Shop"]


def test_a_refused_write_leaves_the_lock_to_the_next(api: Api, make: Factory) -> None:
    make.app("Shop")
    assert_error(api.patch("/apps/shop", {"name": ""}), 422)
    assert_error(api.post("/teams", {"name": "A", "owner_id": 9}), 422, "Owner user not found")
    assert api.patch("/apps/shop", {"name": "B"}).status_code == 200
