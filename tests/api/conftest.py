"""The API, spoken to with a key that may do everything.

Starting a server costs more than most of these tests: they share one, whose store is emptied before each.
"""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.db.session import db
from checkend.db.transactions import begin_writing
from checkend.services import services
from tests.support.api import Api


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The server of all tests of the API."""
    app = create_app({"RATE_LIMIT_ENABLED": "false"}, instance_path=tmp_path_factory.mktemp("api"))
    yield app
    services(app).close()


@pytest.fixture
def app(server: Flask) -> Flask:
    """A server with an empty store."""
    with server.app_context():
        begin_writing()
        for table in reversed(db.metadata.sorted_tables):
            db.session.execute(table.delete())
        db.session.connection().exec_driver_sql("DELETE FROM sqlite_sequence")
        db.session.commit()
    return server


@pytest.fixture
def api(client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> Api:
    """Speaks to the API with every permission."""
    return Api(client, key_for())
