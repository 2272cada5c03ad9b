"""Fixtures: a server that may send to loopback, receivers, and a clock that tests can advance."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.app import create_app
from checkend.services import services
from tests.support.api import Api
from tests.support.factories import Factory
from tests.support.mail_server import MailServer


@pytest.fixture
def app(tmp_path: Path, empty_database: Path, mail_server: MailServer) -> Iterator[Flask]:
    """Provide a server that sends mail to `mail_server`, and requests to loopback."""
    settings = {
        "URL": "https://errors.example.com",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(mail_server.port),
        "MAIL_TLS": "none",
        "OUTBOUND_ALLOW": "127.0.0.1",
        "RATE_LIMIT_ENABLED": "false",
    }
    app = create_app(settings, instance_path=tmp_path / "instance")
    yield app
    services(app).close()


@pytest.fixture
def api(client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> Api:
    """Provide a client of the API with every permission."""
    return Api(client, key_for())


@pytest.fixture
def shop(make: Factory) -> dict[str, Any]:
    """Provide an app: ``id slug ingestion_key``."""
    return make.app()


@pytest.fixture
def report(client: FlaskClient, shop: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Provide a function that reports an error to the app, and returns the response."""

    def send(error_class: str = "NoMethodError", environment: str = "production", **fields: Any) -> dict[str, Any]:
        payload = {
            "error": {
                "class": error_class,
                "message": f"{error_class} happened",
                "backtrace": [f"/srv/shop/app/models/{error_class.lower()}.rb:41:in `total'"],
            },
            "context": {"environment": environment, "revision": "1.4.2"},
        }
        response = client.post(
            "/ingest/v1/errors", json=payload | fields, headers={"Checkend-Ingestion-Key": shop["ingestion_key"]}
        )
        assert response.status_code == 201, response.get_data(as_text=True)
        result: dict[str, Any] = response.get_json()
        return result

    return send


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Provide a function that advances the clock by some seconds."""
    shift, now = [timedelta(0)], clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + shift[0])

    def advance(seconds: float) -> None:
        shift[0] += timedelta(seconds=seconds)

    return advance


@pytest.fixture
def work(app: Flask) -> Callable[[], None]:
    """Provide a function that runs the notification worker until nothing is due and nothing is being sent."""
    worker = services(app).notifications

    def run() -> None:
        while True:
            worker.run_once()
            deadline = time.monotonic() + 20
            while worker.sending:
                assert time.monotonic() < deadline, "a delivery does not end"
                time.sleep(0.005)
            if not worker.has_due():
                return

    return run
