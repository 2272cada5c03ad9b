"""Runs a fixture in a thread of this process."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from checkend.config.urls import local_url
from checkend.server import waitress_server
from checkend.testing._runner import routes as control_routes
from checkend.testing._runner import tempdir
from checkend.testing._runner.fixture import Fixture
from checkend.testing._runner.middleware import RecordingMiddleware, respond_with_faults
from checkend.testing.server import STOP_SECONDS


class FixtureRunner:
    """Serves a fixture from a thread, from its creation until `stop`.

    If ``host`` is a name, the server's URL contains this name, not the IP address.
    """

    def __init__(self, settings: dict[str, Any], port: int = 0, host: str = "127.0.0.1") -> None:
        bound = waitress_server.bind(host, port)
        self._folder = tempdir.create()
        try:
            with _preserved_logging():
                url = local_url(host, bound.getsockname()[1])
                self.fixture = _build(self._folder, settings, url, host)
                # Looking ahead lets waitress notice that a client has disconnected while its request is delayed.
                self._server = waitress_server.WaitressServer(self.fixture.app, bound, channel_request_lookahead=1)
        except BaseException:
            bound.close()
            tempdir.remove(self._folder)
            raise
        self._thread = threading.Thread(target=self._server.run, name="checkend-fixture", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the server, and remove its database."""
        self.fixture.release()
        self._server.stop()
        self._thread.join(STOP_SECONDS)
        self.fixture.close()
        tempdir.remove(self._folder)


def _build(folder: Path, settings: dict[str, Any], url: str, host: str) -> Fixture:
    fixture = Fixture(folder, settings)
    fixture.url, fixture.host = url, host
    respond_with_faults(fixture.app)
    middleware = RecordingMiddleware(
        fixture.app.wsgi_app, control_routes.build(fixture), fixture.journal, fixture.faults, fixture.app_of
    )
    fixture.app.wsgi_app = middleware  # type: ignore[method-assign]  # as documented by Flask
    return fixture


@contextmanager
def _preserved_logging() -> Iterator[None]:
    """Restore the configuration of logging, which the server changes, because this process belongs to the test."""
    loggers = [logging.getLogger(name) for name in ("checkend", "waitress", "werkzeug")]
    before = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
