"""When the process is the server's own: a start that fails says why in a sentence, an end that is asked for is clean.

For ``waitress-serve wsgi:app``, ``flask run`` and their like, which know of neither. ``checkend serve`` has its own.
"""

import atexit
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.wsgi import ClosingIterator

from checkend import retention_thread
from checkend.config import CannotStart
from checkend.startup import uncollected

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STOP_SECONDS = 8.0  # under the 10 s that container runtimes give before they kill


def start(build: Callable[[], Flask]) -> Flask:
    """The app that ``build`` makes, ended cleanly when the process ends. Raises SystemExit with the sentence."""
    try:
        with uncollected():
            app = build()
    except CannotStart as error:
        raise SystemExit(f"Checkend cannot start: {error}") from None
    in_flight = InFlight(app.wsgi_app)
    app.wsgi_app = in_flight  # type: ignore[method-assign]  # how Flask documents it
    atexit.register(_finish, app, in_flight)
    retention_thread.start(app)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    return app


def _finish(app: Flask, in_flight: "InFlight") -> None:
    in_flight.wait(STOP_SECONDS)
    app.extensions["checkend_shutdown"]()


class InFlight:
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
