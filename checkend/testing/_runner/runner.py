"""A fixture being served, from a thread of this process."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from checkend.server import waitress_server
from checkend.testing._runner import routes as control_routes
from checkend.testing._runner import tempdir
from checkend.testing._runner.fixture import Fixture
from checkend.testing._runner.middleware import RecordingMiddleware, answer_with_faults

STOP_SECONDS = 15.0
WILDCARD_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # where a server that listens everywhere is reached


class FixtureRunner:
    """A fixture being served from a thread, from the moment it is made until `stop`.

    Where ``host`` is a name, the server's URL has this name rather than the IP address.
    """

    def __init__(self, settings: dict[str, Any], port: int = 0, host: str = "127.0.0.1") -> None:
        bound = waitress_server.bind(host, port)
        self._folder = tempdir.make()
        try:
            with _logging_as_it_was():
                self.fixture = _build(self._folder, settings, _url(host, bound), host)
                # The look-ahead lets waitress notice that a client has left while its request is held up.
                self._server = waitress_server.WaitressServer(self.fixture.app, bound, channel_request_lookahead=1)
        except BaseException:
            bound.close()
            tempdir.remove(self._folder)
            raise
        self._thread = threading.Thread(target=self._server.run, name="checkend-fixture", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, and remove the store."""
        self.fixture.release()
        self._server.stop()
        self._thread.join(STOP_SECONDS)
        self.fixture.close()
        tempdir.remove(self._folder)


def _url(host: str, bound: socket.socket) -> str:
    if host in WILDCARD_HOSTS:
        return f"http://{WILDCARD_HOSTS[host]}:{bound.getsockname()[1]}"
    return waitress_server.url_of(bound) if ":" in host else f"http://{host}:{bound.getsockname()[1]}"


def _build(folder: Path, settings: dict[str, Any], url: str, host: str) -> Fixture:
    fixture = Fixture(folder, settings)
    fixture.url, fixture.host = url, host
    answer_with_faults(fixture.app)
    recorder = RecordingMiddleware(
        fixture.app.wsgi_app, control_routes.build(fixture), fixture.journal, fixture.faults, fixture.app_of
    )
    fixture.app.wsgi_app = recorder  # type: ignore[method-assign]  # how Flask documents it
    return fixture


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    """The server sets up logging for a process of its own; here the process is somebody else's."""
    loggers = [logging.getLogger(name) for name in ("checkend", "waitress", "werkzeug")]
    before = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
