"""Health."""

import sqlite3
from pathlib import Path

from flask.testing import FlaskClient

from checkend import create_app
from checkend.services import services
from tests.support.api import TIME, assert_error


def test_a_server_that_works_says_so(client: FlaskClient) -> None:
    answer = client.get("/api/v1/health")
    assert answer.status_code == 200
    assert set(answer.get_json()) == {"status", "timestamp"}
    assert answer.get_json()["status"] == "ok"
    assert TIME.fullmatch(answer.get_json()["timestamp"])


def test_a_store_that_cannot_be_used_is_unhealthy(tmp_path: Path) -> None:
    app = create_app(instance_path=tmp_path)
    store = sqlite3.connect(tmp_path / "checkend.sqlite3")
    store.execute("DROP TABLE alembic_version")
    store.close()
    assert_error(app.test_client().get("/api/v1/health"), 503)
    services(app).close()
