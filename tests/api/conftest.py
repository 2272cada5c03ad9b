"""Fixtures for tests of the API: a server, and a client with a key that has every permission.

Starting a server takes longer than most of these tests, so they share one, whose database is emptied before each test.
"""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.services import services
from tests.support.api import Api


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Start the server that all tests of the API share."""
    app = create_app({"RATE_LIMIT_ENABLED": "false"}, instance_path=tmp_path_factory.mktemp("api"))
    yield app
    services(app).close()


@pytest.fixture
def app(server: Flask) -> Flask:
    """Return the server, with an empty database."""
    with server.app_context(), write_transaction():
        database = db.session.connection().connection.driver_connection
        assert database is not None
        for table in [*reversed(db.metadata.sorted_tables), "sqlite_sequence"]:
            database.execute(f"DELETE FROM {table}")
    return server


@pytest.fixture
def api(client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> Api:
    """Return a client with every permission."""
    return Api(client, key_for())
