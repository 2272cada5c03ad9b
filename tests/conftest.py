"""What every test may ask for: the real app over a real, fresh SQLite file."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash

from checkend.app import create_app
from checkend.extensions import begin_writing, db
from checkend.models import ApiKey
from checkend.permissions import ALL_PERMISSIONS
from tests.factories import Factory
from tests.sdk import sdk_python

__all__ = ["sdk_python"]  # a fixture of the whole suite


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("CHECKEND_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed and checked as in earnest, at a thousandth of the cost."""
    cheap = partial(generate_password_hash, method="pbkdf2:sha256:1")
    monkeypatch.setattr("checkend.models.user.generate_password_hash", cheap)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """A server with an empty store."""
    app = create_app({"RATE_LIMIT_ENABLED": "false"}, instance_path=tmp_path / "instance")
    yield app
    app.extensions["checkend_shutdown"]()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Speaks HTTP to `app`."""
    return app.test_client()


@pytest.fixture
def make(app: Flask) -> Factory:
    """Puts records straight into the store; each call is a transaction of its own and returns plain ids and keys."""
    return Factory(app)


@pytest.fixture
def key_for(app: Flask) -> Callable[..., dict[str, str]]:
    """``key_for("apps:read")``: the headers of a new API key with these permissions (none named: all)."""

    def make_key(*permissions: str) -> dict[str, str]:
        with app.app_context():
            begin_writing()
            _, value = ApiKey.create("test", permissions or ALL_PERMISSIONS)
            db.session.commit()
        return {"Checkend-API-Key": value}

    return make_key
