"""When the process is the server's own: a start that fails says why in a sentence, an end that is asked for is clean.

For ``waitress-serve wsgi:app``, ``flask run`` and their like, which know of neither. ``checkend serve`` has its own.
"""

import atexit
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.wsgi import ClosingIterator

from checkend.exceptions import StartupError
from checkend.retention import worker as retention_worker
from checkend.server.garbage_collection import collector_paused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# From the signal on, under the 10 s that container runtimes give before they kill:
REJECT_SECONDS = 6.0  # then reports that still wait for the database are rejected
STOP_SECONDS = 7.0


def start(build: Callable[[], Flask]) -> Flask:
    """The app that ``build`` makes, ended cleanly when the process ends. Raises SystemExit with the sentence."""
    try:
        with collector_paused():
            app = build()
    except StartupError as error:
        raise SystemExit(f"Checkend cannot start: {error}") from None
    in_flight = InFlightCounter(app.wsgi_app)
    app.wsgi_app = in_flight  # type: ignore[method-assign]  # how Flask documents it
    stop = _ShutdownDeadline()
    atexit.register(_finish, app, in_flight, stop)
    retention_worker.start(app)
    if threading.current_thread() is threading.main_thread():
        stop.on_signals()
    return app


class _ShutdownDeadline:
    """When the process was told to stop: the WSGI server takes its part of the time before we do."""

    def __init__(self) -> None:
        self._at: float | None = None

    def on_signals(self) -> None:
        """Note the time of SIGTERM and Ctrl-C; what they do otherwise stays, except that SIGTERM ends with status 0."""
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminate)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)

    def left(self, seconds: float) -> float:
        """Return how many of ``seconds`` from the signal, or else from the first call, are left."""
        self._at = time.monotonic() if self._at is None else self._at
        return max(0.0, self._at + seconds - time.monotonic())

    def _terminate(self, number: int, frame: object) -> None:
        self._at = time.monotonic()
        sys.exit(0)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._at = time.monotonic()
        signal.default_int_handler(number, frame)


def _finish(app: Flask, in_flight: "InFlightCounter", stop: _ShutdownDeadline) -> None:
    in_flight.wait(stop.left(REJECT_SECONDS))
    app.extensions["checkend_reject_waiting"]()
    in_flight.wait(stop.left(STOP_SECONDS))
    app.extensions["checkend_shutdown"]()


class InFlightCounter:
    """WSGI middleware that knows how many requests are under way."""

    def __init__(self, wsgi_app: "WSGIApplication") -> None:
        self._wsgi_app = wsgi_app
        self._guard = threading.Lock()
        self._count = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        self._add(1)
        try:
            body = self._wsgi_app(environ, start_response)
        except BaseException:
            self._add(-1)
            raise
        return ClosingIterator(body, lambda: self._add(-1))

    def _add(self, step: int) -> None:
        with self._guard:
            self._count += step

    def wait(self, seconds: float) -> None:
        """Until no request is under way, or the time is over."""
        until = time.monotonic() + seconds
        while self._count and time.monotonic() < until:
            time.sleep(0.02)
