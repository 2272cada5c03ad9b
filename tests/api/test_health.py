"""Health."""

import sqlite3
from pathlib import Path

from flask.testing import FlaskClient

from checkend import create_app
from checkend.services import services
from tests.support.api import TIME, assert_error


def test_a_working_server_is_healthy(client: FlaskClient) -> None:
    response = client.get("/api/v1/health")
    assert response.status_code == 200
    assert set(response.get_json()) == {"status", "timestamp"}
    assert response.get_json()["status"] == "ok"
    assert TIME.fullmatch(response.get_json()["timestamp"])


def test_a_server_without_a_usable_database_is_unhealthy(tmp_path: Path) -> None:
    app = create_app(instance_path=tmp_path)
    database = sqlite3.connect(tmp_path / "checkend.sqlite3")
    database.execute("DROP TABLE alembic_version")
    database.close()
    assert_error(app.test_client().get("/api/v1/health"), 503)
    services(app).close()
