"""Fixtures for all tests: the real app with a new SQLite file."""

import gc
import io
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash

from checkend.app import create_app
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db.connection import DATABASE_FILE_NAME
from checkend.db.schema import create_or_migrate
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import ApiKey
from checkend.services import services
from tests.support import process_caches
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.openapi import check_response
from tests.support.receiver import Receiver
from tests.support.sdk import sdk_python
from tests.support.signals import stop_ignoring

__all__ = ["sdk_python"]  # a fixture for the whole suite


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker a contiguous part of the suite, and idle workers some of the others' remaining tests.

    By default xdist distributes small pieces of every module to all workers: each then starts a browser, and creates
    the fixtures that the tests of a module share.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run two workers per core: many tests wait for a process, a browser or a deadline."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the slow tests begin first, with those that share a browser, so that no worker is left with them alone."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in ("slow", "browser")])


def pytest_collection_finish() -> None:
    """Leave the modules and the tests themselves out of garbage collection: they stay until the end."""
    gc.freeze()


class SlowBody(io.BytesIO):
    """A request body; ``others_could_write`` has an entry for each read: whether the write lock was free."""

    def __init__(self, lock_is_free: Callable[[], bool], data: bytes) -> None:
        super().__init__(data)
        self._lock_is_free, self.others_could_write = lock_is_free, list[bool]()

    def read(self, size: int | None = -1) -> bytes:
        self.others_could_write.append(self._lock_is_free())
        return super().read(size)

    def readinto(self, buffer: Any) -> int:
        self.others_could_write.append(self._lock_is_free())
        return super().readinto(buffer)


def _use_memory_for_temporary_files() -> None:
    """Put temporary files on a memory file system, if there is one with enough space.

    Every commit waits a few milliseconds for the disk, which would take a third of the suite's time.
    """
    memory = Path("/dev/shm")
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 1024**3:
        os.environ["TMPDIR"] = str(memory)
        tempfile.tempdir = None


_use_memory_for_temporary_files()


process_caches.share()
stop_ignoring()
# Hundreds of apps are created and discarded: with the default thresholds, garbage collection takes a tenth of the time.
gc.set_threshold(500_000, 20, 50)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CHECKEND_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Hash passwords with a single iteration, at a thousandth of the cost."""
    cheap = partial(generate_password_hash, method="pbkdf2:sha256:1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("checkend.models.user.generate_password_hash", cheap)
        yield


@pytest.fixture(scope="session", autouse=True)
def _responses_are_documented() -> Iterator[None]:
    """Compare every response of the API with the OpenAPI document."""
    send = FlaskClient.open

    def open_and_check(client: FlaskClient, *args: Any, **kwargs: Any) -> Any:
        response = send(client, *args, **kwargs)
        check_response(client, response)
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FlaskClient, "open", open_and_check)
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create an empty database, to be copied for every test, which is faster than creating one."""
    path = tmp_path_factory.mktemp("empty") / DATABASE_FILE_NAME
    create_or_migrate(path)
    return path


@pytest.fixture
def app(tmp_path: Path, empty_database: Path) -> Iterator[Flask]:
    """Return a server with an empty database."""
    (tmp_path / "instance").mkdir(mode=0o700)
    shutil.copyfile(empty_database, tmp_path / "instance" / DATABASE_FILE_NAME)
    app = create_app({"RATE_LIMIT_ENABLED": "false"}, instance_path=tmp_path / "instance")
    yield app
    services(app).close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return an HTTP client of `app`."""
    return app.test_client()


@pytest.fixture
def make(app: Flask) -> Factory:
    """Return a factory that writes records directly to the database, each in a transaction of its own."""
    return Factory(app)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """Provide an SMTP server that records mail."""
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Provide an HTTP server that records requests."""
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def lock_is_free(app: Flask) -> Callable[[], bool]:
    """Return a function that returns whether another connection could write to the database of `app` now."""

    def is_free() -> bool:
        with closing(
            sqlite3.connect(Path(app.instance_path) / DATABASE_FILE_NAME, timeout=0, isolation_level=None)
        ) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True

    return is_free


@pytest.fixture
def slow_body(lock_is_free: Callable[[], bool]) -> Callable[[bytes], SlowBody]:
    """Return ``slow_body(data)``: a body that records with each read whether others could write meanwhile."""
    return partial(SlowBody, lock_is_free)


@pytest.fixture
def key_for(app: Flask) -> Callable[..., dict[str, str]]:
    """Return ``key_for("apps:read")``: it returns headers with a new API key that has these permissions, or all."""

    def make_key(*permissions: str) -> dict[str, str]:
        with app.app_context(), write_transaction():
            _, value = ApiKey.create("test", permissions or ALL_PERMISSIONS)
        return {"Checkend-API-Key": value}

    return make_key
