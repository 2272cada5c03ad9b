"""A database file that is removed or replaced while a server runs: 503 and no write until it is back."""

import itertools
import logging
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.db import database_file, schema
from checkend.db.session import db
from checkend.services import services
from tests.support.factories import Factory

INGEST = "/ingest/v1/errors"

Send = Callable[[], int]


@pytest.fixture
def path(app: Flask) -> Path:
    """Return the database file of `app`."""
    return schema.database_path(Path(app.instance_path))


@pytest.fixture
def send(client: FlaskClient, make: Factory) -> Send:
    """Return a function that sends a report with a new fingerprint and returns the status."""
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    numbers = itertools.count()

    def send_one() -> int:
        error = {"class": "E", "message": "m", "fingerprint": f"number {next(numbers)}"}
        return client.post(INGEST, json={"error": error}, headers=headers).status_code

    return send_one


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that returns the log lines about the database file."""
    monkeypatch.setattr(logging.getLogger("checkend"), "propagate", True)
    return lambda: [record.getMessage() for record in caplog.records if record.name == "checkend.database"]


def notices(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        number: int = database.execute("SELECT count(*) FROM notices").fetchone()[0]
        return number


def stop(app: Flask) -> None:
    services(app).close()
    with app.app_context():
        db.engine.dispose()


def test_a_removed_database_gets_503_everywhere_and_one_log_line_that_says_what_to_do(
    app: Flask, client: FlaskClient, path: Path, send: Send, key_for: Any, errors: Callable[[], list[str]]
) -> None:
    key = key_for()
    assert [send() for _ in range(3)] == [201] * 3
    path.unlink()
    assert [send() for _ in range(3)] == [503] * 3
    assert client.get("/up").status_code == 503
    assert client.get("/api/v1/health").status_code == 503
    assert client.get("/api/v1/apps", headers=key).status_code == 503
    assert client.post("/api/v1/apps", json={"name": "New"}, headers=key).status_code == 503
    assert client.get("/sign-in").status_code == 503
    with app.app_context():
        db.engine.dispose()  # new connections must not create the file
    assert client.get("/up").status_code == 503
    assert not path.exists()
    (line,) = errors()
    assert f"{path} was removed or replaced while the server was running" in line
    assert "restore a backup with `checkend db restore`, and start the server again" in line


def test_a_removed_database_can_still_be_copied_whole_from_the_process(
    path: Path, send: Send, errors: Callable[[], list[str]], tmp_path: Path
) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system has no /proc")
    assert [send() for _ in range(3)] == [201] * 3
    path.unlink()
    send()
    source = errors()[0].rpartition("can be copied from ")[2].rstrip(".")
    shutil.copyfile(source, tmp_path / "rescued.sqlite3")
    assert notices(tmp_path / "rescued.sqlite3") == 3


def test_another_file_moved_over_the_database_is_not_changed(
    app: Flask, client: FlaskClient, path: Path, send: Send, tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite3"
    schema.create_or_migrate(other)
    before = other.read_bytes()
    assert [send() for _ in range(3)] == [201] * 3
    path.rename(tmp_path / "moved.sqlite3")
    other.rename(path)
    assert [send() for _ in range(3)] == [503] * 3
    assert client.get("/up").status_code == 503
    stop(app)
    assert path.read_bytes() == before
    assert notices(path) == 0, "the log of the old database was applied to the new one"
    assert notices(tmp_path / "moved.sqlite3") == 3


def test_the_server_continues_once_the_database_is_moved_back(
    client: FlaskClient, path: Path, send: Send, tmp_path: Path, errors: Callable[[], list[str]]
) -> None:
    assert send() == 201
    path.rename(tmp_path / "moved.sqlite3")
    assert send() == 503
    (tmp_path / "moved.sqlite3").rename(path)
    assert client.get("/up").status_code == 200
    assert send() == 201
    assert errors()[1] == f"the database file {path} is back; serving requests again"
    assert notices(path) == 2


def test_the_content_of_a_removed_write_ahead_log_is_saved_and_further_reports_get_503(
    client: FlaskClient, path: Path, send: Send, errors: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "SIDE_FILES_EVERY_SECONDS", 0)
    assert [send() for _ in range(3)] == [201] * 3
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink()
    assert [send() for _ in range(2)] == [503] * 2
    assert client.get("/up").status_code == 503
    (line,) = errors()
    assert "Everything stored so far was written to the database file: restart the server." in line
    assert notices(path) == 3


def test_closing_the_last_connection_removes_the_write_ahead_log_without_an_error(
    app: Flask, client: FlaskClient, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "SIDE_FILES_EVERY_SECONDS", 0)
    for _ in range(2):
        assert client.get("/up").status_code == 200
        with app.app_context():
            db.engine.dispose()
        assert not Path(f"{path}-wal").exists()


def test_a_restored_backup_is_served(app: Flask, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup has no write-ahead log: the server that opens it creates one."""
    monkeypatch.setattr(database_file, "SIDE_FILES_EVERY_SECONDS", 0)
    (tmp_path / "restored").mkdir()
    schema.copy_database(path, tmp_path / "restored" / path.name)
    restored = create_app({}, instance_path=tmp_path / "restored")
    key = Factory(restored).app()["ingestion_key"]
    client = restored.test_client()
    headers = {"Checkend-Ingestion-Key": key}
    assert client.post(INGEST, json={"error": {"class": "E"}}, headers=headers).status_code == 201
    assert client.get("/up").status_code == 200
    stop(restored)
