"""Start and stop: the services of an app, and a clean end for processes that another WSGI server runs.

``waitress-serve wsgi:app``, ``flask run`` and the like neither report a failed start in one line nor wait for requests
when they stop; `start` adds both. ``checkend serve`` brings its own: see `checkend.server.waitress_server`.
"""

import atexit
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from flask import Flask

from checkend.auth.login_throttle import LoginThrottle
from checkend.db import schema
from checkend.exceptions import StartupError
from checkend.notifications.worker import NotificationWorker
from checkend.retention.worker import RetentionWorker
from checkend.server.garbage_collection import collector_paused
from checkend.server.middleware import InFlightCounter
from checkend.services import Services, services
from checkend.telemetry.metrics import Metrics

# Seconds after the signal. Together with closing the services this stays under the 10 s that container runtimes allow
# before they kill the process.
REJECT_SECONDS = 6.0  # Reports that still wait for the database are rejected.
STOP_SECONDS = 7.0  # Requests that are still unfinished are abandoned.


def create_services(app: Flask, path: Path) -> Services:
    """Lock the instance folder and create the services of ``app`` over the database at ``path``.

    Raises `StartupError`. The order matters, because `Services.close` runs backwards: notifications and
    retention stop before the writer does, and the lock is released last, since until then
    nobody may migrate or replace the database.
    """
    from checkend.ingest.pipeline import Ingestion  # heavy, and not needed by commands

    with ExitStack() as stack:
        lock = schema.acquire_instance_lock(path)
        stack.callback(lock.release)
        ingestion = Ingestion(path, app.config)
        stack.callback(ingestion.close)
        retention = RetentionWorker(app)
        stack.callback(retention.stop)
        notifications = NotificationWorker(app)
        stack.callback(notifications.stop)
        created = app.extensions["checkend"] = Services(
            instance_lock=lock,
            ingestion=ingestion,
            retention=retention,
            notifications=notifications,
            login_throttle=LoginThrottle(),
            metrics=Metrics(),
            # A quarter of the request threads may wait for notices; the others stay free for reports.
            notice_feed_waiters=threading.BoundedSemaphore(max(1, app.config["THREADS"] // 4)),
            exit_stack=stack.pop_all(),
        )
    return created


def start(build: Callable[[InFlightCounter], Flask]) -> Flask:
    """Return the app that ``build`` creates, and close it when the process ends.

    Raises SystemExit with the reason when the app cannot start.
    """
    in_flight = InFlightCounter()
    try:
        with collector_paused():
            app = build(in_flight)
    except StartupError as error:
        raise SystemExit(f"Checkend cannot start: {error}") from None
    deadline = _ShutdownDeadline()
    atexit.register(_finish, app, in_flight, deadline)
    services(app).start_workers()
    if threading.current_thread() is threading.main_thread():
        deadline.handle_signals()
    return app


class _ShutdownDeadline:
    """The time since the stop signal, of which the WSGI server uses a part before `_finish` runs."""

    def __init__(self) -> None:
        self._stopped_at: float | None = None

    def handle_signals(self) -> None:
        """Record the time of SIGTERM and Ctrl-C, and make SIGTERM exit with status 0; keep handlers set by others."""
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminate)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)

    def remaining(self, seconds: float) -> float:
        """Return how many of ``seconds`` remain, counted from the signal, or else from the first call."""
        self._stopped_at = time.monotonic() if self._stopped_at is None else self._stopped_at
        return max(0.0, self._stopped_at + seconds - time.monotonic())

    def _terminate(self, number: int, frame: object) -> None:
        self._stopped_at = time.monotonic()
        sys.exit(0)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._stopped_at = time.monotonic()
        signal.default_int_handler(number, frame)


def _finish(app: Flask, in_flight: InFlightCounter, deadline: _ShutdownDeadline) -> None:
    running = services(app)
    running.stopping.set()
    in_flight.wait(deadline.remaining(REJECT_SECONDS))
    running.ingestion.writer.queue.reject_pending()
    in_flight.wait(deadline.remaining(STOP_SECONDS))
    running.close()
