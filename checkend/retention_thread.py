"""The thread of a server that removes what is overdue: every hour, and at once when the store nears its cap."""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime

from flask import Flask, g

from checkend import clock
from checkend.extensions import REQUEST_LOCK_SECONDS
from checkend.retention import Removed, limits_of, remove, remove_over

FIRST_SECONDS = 20.0
EVERY_SECONDS = 3600.0
LOOK_SECONDS = 5.0
SWEEP_EVERY = 24  # runs
SPARE_PAGES = 1000  # free pages that a run leaves in the file, since reports soon fill them again
SHORTEST_PAUSE = 0.005

log = logging.getLogger("checkend.retention")


class Retention:
    """Removes for a server, from `start` to `stop`; what it did since then stands in its attributes."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._limits = limits_of(app.config)
        self._cap: int = app.config["MAX_STORE_BYTES"]
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.removed = Removed()
        self.runs = 0
        self.failures = 0
        self.finished_at: datetime | None = None

    def start(self) -> None:
        """Begin: a run some seconds from now and then every hour; where there is a cap, a look every few seconds."""
        self._thread = threading.Thread(target=self._work, name="checkend-retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way; no change when it was never started."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def run(self, *, whole: bool = True) -> None:
        """Remove what is overdue now; unless ``whole`` only what the cap asks for. A failure is logged and counted."""
        started, before = time.monotonic(), self.removed
        try:
            with self._app.app_context():
                g.patience = REQUEST_LOCK_SECONDS  # stopping the server waits for the step under way
                self._take(self._steps(whole))
        except Exception as error:  # a full disk, say: the next run finds what this one left
            self.failures += 1
            log.error("retention was cut off: %s", error)
        if whole:
            self.runs += 1
            self.finished_at = clock.now()
        if self.removed != before:
            log.info("retention, in %.1f s: %s", time.monotonic() - started, self.removed - before)

    def _work(self) -> None:
        due = time.monotonic() + FIRST_SECONDS
        while not self._stopping.wait(LOOK_SECONDS if self._cap else max(due - time.monotonic(), 0)):
            is_due = time.monotonic() >= due
            self.run(whole=is_due)
            if is_due:
                due = time.monotonic() + EVERY_SECONDS

    def _steps(self, whole: bool) -> Iterator[Removed]:
        if not whole:
            return remove_over(self._cap)
        return remove(self._limits, self._cap, sweep=self.runs % SWEEP_EVERY == 0, keep_pages=SPARE_PAGES)

    def _take(self, steps: Iterator[Removed]) -> None:
        """Take the steps, with a pause after each as long as it was, so that at least half the time is the others'."""
        step_began = time.monotonic()
        for removed in steps:
            self.removed += removed
            if self._stopping.wait(max(time.monotonic() - step_began, SHORTEST_PAUSE)):
                return
            step_began = time.monotonic()


def register(app: Flask) -> None:
    """Give ``app`` its `Retention`, which `start` sets going and the app's shutdown ends."""
    retention = Retention(app)
    stop_the_rest = app.extensions["checkend_shutdown"]

    def shutdown() -> None:
        retention.stop()
        stop_the_rest()

    app.extensions["checkend_retention"] = retention
    app.extensions["checkend_shutdown"] = shutdown


def start(app: Flask) -> None:
    """Set retention going; for a process that serves ``app``."""
    app.extensions["checkend_retention"].start()
