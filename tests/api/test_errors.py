"""The error envelope, which is the same for all errors under /api/."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from checkend import create_app, log
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db import session as db_session
from checkend.db.transactions import write_transaction
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


def test_the_root_of_the_api_responds_like_the_api(app: Flask) -> None:
    response = app.test_client().get("/api")
    assert_error(response, 404)
    assert "Content-Security-Policy" not in response.headers


def test_the_log_contains_the_number_of_errors_but_not_the_body(api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "text")
    assert_error(api.post("/apps", {"name": "A", "hunter2": 1, "hunter3": 2}), 422)
    assert_error(api.post("/teams", {"name": "A", "owner_id": "hunter4"}), 422)
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition("rejected ")[2].partition(" request_id=")[0] for line in lines] == [
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
def test_a_405_lists_the_allowed_methods(app: Flask, method: str, path: str, allowed: str) -> None:
    response = Api(app.test_client(), {}).call(method, path)
    assert_error(response, 405)
    assert response.headers["Allow"] == allowed


def test_an_internal_error_reveals_nothing_about_its_cause(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[App]:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(App, "newest_first", broken)
    response = api.get("/apps")
    assert_error(response, 500)
    assert "secret" not in response.get_data(as_text=True)


def test_a_slug_taken_by_a_concurrent_request_is_a_conflict(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_responses_do_not_allow_other_origins(api: Api) -> None:
    response = api.client.get("/api/v1/apps", headers=api.headers | {"Origin": "https://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Return a client of a server that waits only a tenth of a second for the write lock."""
    monkeypatch.setattr(db_session, "REQUEST_LOCK_SECONDS", 0.1)
    app = create_app(instance_path=tmp_path / "impatient")
    with app.app_context(), write_transaction():
        App.create("Shop")
        _, value = ApiKey.create("x", ALL_PERMISSIONS)
    yield Api(app.test_client(), {"Checkend-API-Key": value})
    services(app).close()


def test_reads_work_while_another_process_has_the_write_lock(impatient: Api) -> None:
    path = Path(impatient.client.application.instance_path) / "checkend.sqlite3"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert impatient.get("/apps").status_code == 200
    for response in (impatient.post("/apps", {"name": "B"}), impatient.delete("/apps/shop")):
        assert_error(response, 503)
        assert int(response.headers["Retry-After"]) > 0
    other.execute("ROLLBACK")
    other.close()
    assert impatient.post("/apps", {"name": "B"}).status_code == 201
    assert [app["name"] for app in impatient.get("/apps").get_json()] == ["B", "Shop"]


def test_a_rejected_write_releases_the_lock(api: Api, make: Factory) -> None:
    make.app("Shop")
    assert_error(api.patch("/apps/shop", {"name": ""}), 422)
    assert_error(api.post("/teams", {"name": "A", "owner_id": 9}), 422, "Owner user not found")
    assert api.patch("/apps/shop", {"name": "B"}).status_code == 200
