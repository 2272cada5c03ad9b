"""Headers of all responses to programs."""

import pytest
from flask import Flask, Response

from checkend.app import create_app
from checkend.db.session import db
from checkend.services import services
from tests.support.api import Api
from tests.support.factories import Factory


def assert_headers(response: Response) -> None:
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    assert response.headers.getlist("X-Content-Type-Options") == ["nosniff"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/health", 200),
        ("GET", "/api/v1/apps", 200),
        ("HEAD", "/api/v1/apps", 200),
        ("OPTIONS", "/api/v1/apps", 200),
        ("POST", "/api/v1/apps/shop/regenerate_ingestion_key", 200),
        ("POST", "/api/v1/apps", 400),
        ("DELETE", "/api/v1/apps/shop", 204),
        ("GET", "/api/v1/apps/nope", 404),
        ("GET", "/api/v1/apps?x", 422),
        ("GET", "/api/nope", 404),
        ("GET", "/api", 404),
        ("PUT", "/api/v1/apps", 405),
        ("POST", "/ingest/v1/errors", 401),
        ("GET", "/ingest/v1/errors", 405),
        ("OPTIONS", "/ingest/v1/errors", 204),
        ("POST", "/ingest/v1/nope", 404),
    ],
)
def test_every_response_has_the_headers(api: Api, make: Factory, method: str, path: str, status: int) -> None:
    make.app()
    response = api.client.open(path, method=method, headers=api.headers)
    assert response.status_code == status
    assert_headers(response)


def test_responses_without_a_key_and_after_an_internal_error_have_the_headers(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_headers(api.client.get("/api/v1/apps"))
    monkeypatch.setattr("checkend.models.App.newest_first", lambda: 1 / 0)
    response = api.get("/apps")
    assert response.status_code == 500
    assert_headers(response)


def test_responses_to_reports_have_the_headers_on_both_paths(app: Flask, make: Factory) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    client = app.test_client()
    for _ in range(2):  # the first report of a key goes through Flask
        response = client.post("/ingest/v1/errors", json={"error": {"class": "E"}}, headers=headers)
        assert response.status_code == 201
        assert_headers(response)


def test_a_route_may_set_its_own_headers(tmp_path: object) -> None:
    app = create_app({"RATE_LIMIT_ENABLED": "false"}, instance_path=str(tmp_path))
    app.add_url_rule("/api/v1/document", view_func=lambda: Response("{}", headers={"Cache-Control": "max-age=60"}))
    assert app.test_client().get("/api/v1/document").headers["Cache-Control"] == "max-age=60"
    services(app).close()
    with app.app_context():
        db.engine.dispose()
