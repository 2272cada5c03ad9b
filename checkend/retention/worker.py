"""The thread of a server that removes what is overdue, and what is too much where the store or an app nears its limit.

It also brings latest messages into the search index.
"""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from flask import Flask, g

from checkend import clock
from checkend.db.session import REQUEST_LOCK_SECONDS
from checkend.db.transactions import begin_writing, commit
from checkend.models import UserSession
from checkend.models.search_index import index_latest_messages
from checkend.retention.cleanup import clean_up, retention_limits
from checkend.retention.clock_guard import AgeGuard
from checkend.retention.removal import CleanupResult
from checkend.retention.size_limits import shrink_apps, shrink_database

INITIAL_DELAY_SECONDS = 20.0
INTERVAL_SECONDS = 3600.0
POLL_SECONDS = 5.0
POLLS_PER_INDEXING = 12  # looks from one update of the search index to the next
RUNS_PER_SWEEP = 24  # runs
SPARE_PAGES = 1000  # free pages that a run leaves in the file, since reports soon fill them again
MIN_PAUSE_SECONDS = 0.005
STOP_SECONDS = 0.5

log = logging.getLogger("checkend.retention")


class RetentionWorker:
    """Removes for a server, from `start` to `stop`; what it did since then stands in its attributes."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._limits = retention_limits(app.config)
        self._cap: int = app.config["MAX_STORE_BYTES"]
        self._app_cap: int = app.config["MAX_APP_BYTES"]
        self._max_share: int = app.config["RETENTION_MAX_SHARE"]
        self._session_lifetime = timedelta(days=app.config["SESSION_DAYS"])
        self._looks = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.removed = CleanupResult()
        self.runs = 0
        self.failures = 0
        self.limited = False  # whether the last whole run left notices that are overdue by age
        self.finished_at: datetime | None = None

    def start(self) -> None:
        """Begin: a run some seconds from now and then every hour, and a look at the limits every few seconds."""
        self._thread = threading.Thread(target=self._work, name="checkend-retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way, waited for `STOP_SECONDS` at most; no change when it was never started."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)  # a step that waits for a lock ends with the process, and changes nothing

    def run(self, *, whole: bool = True) -> None:
        """Remove what is overdue now; unless ``whole`` only what the limits on bytes ask for.

        A failure is logged and counted.
        """
        started, before = time.monotonic(), self.removed
        guard = AgeGuard(self._max_share, starting=self.runs == 0)
        try:
            with self._app.app_context():
                g.timeout_seconds = REQUEST_LOCK_SECONDS  # stopping the server waits for the step under way
                self._take(self._steps(whole, guard))
        except Exception as error:  # a full disk, say: the next run finds what this one left
            self.failures += 1
            log.error("retention was cut off: %s", error)
        if whole:
            self.runs += 1
            self.limited = guard.limited
            self.finished_at = clock.now()
        if self.removed != before:
            log.info("retention, in %.1f s: %s", time.monotonic() - started, self.removed - before)

    def _work(self) -> None:
        due = time.monotonic() + INITIAL_DELAY_SECONDS
        while not self._stopping.wait(min(POLL_SECONDS, max(due - time.monotonic(), 0))):
            is_due = time.monotonic() >= due
            self.run(whole=is_due)
            if is_due:
                due = time.monotonic() + INTERVAL_SECONDS

    def _steps(self, whole: bool, guard: AgeGuard) -> Iterator[CleanupResult]:
        if whole:
            yield from clean_up(
                self._limits,
                self._cap,
                self._app_cap,
                sweep=self.runs % RUNS_PER_SWEEP == 0,
                keep_pages=SPARE_PAGES,
                guard=guard,
            )
            begin_writing()
            UserSession.delete_expired(self._session_lifetime)
            commit()
            yield CleanupResult()
        else:
            yield from shrink_apps(self._app_cap)
            yield from shrink_database(self._cap)
        self._looks += 1
        if self._looks % POLLS_PER_INDEXING == 0:
            yield from (CleanupResult() for _ in index_latest_messages())

    def _take(self, steps: Iterator[CleanupResult]) -> None:
        """Take the steps, with a pause after each as long as it was, so that at least half the time is the others'."""
        step_began = time.monotonic()
        for removed in steps:
            self.removed += removed
            if self._stopping.wait(max(time.monotonic() - step_began, MIN_PAUSE_SECONDS)):
                return
            step_began = time.monotonic()


def register(app: Flask) -> None:
    """Give ``app`` its `RetentionWorker`, which `start` sets going and the app's shutdown ends."""
    retention = RetentionWorker(app)
    stop_the_rest = app.extensions["checkend_shutdown"]

    def shutdown() -> None:
        retention.stop()
        stop_the_rest()

    app.extensions["checkend_retention"] = retention
    app.extensions["checkend_shutdown"] = shutdown


def start(app: Flask) -> None:
    """Set retention going; for a process that serves ``app``."""
    app.extensions["checkend_retention"].start()
