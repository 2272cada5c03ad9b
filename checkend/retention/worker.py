"""Retention worker: the thread of a server that removes expired data and enforces the size limits.

It also updates the search index with latest messages.
"""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from flask import Flask, g

from checkend import clock
from checkend.db.session import REQUEST_LOCK_SECONDS
from checkend.db.transactions import write_transaction
from checkend.models import UserSession
from checkend.models.idempotent_response import delete_old_responses
from checkend.models.search_index import index_latest_messages
from checkend.retention.audit_entries import remove_audit_entries
from checkend.retention.cleanup import clean_up, retention_limits
from checkend.retention.clock_guard import AgeGuard
from checkend.retention.removal import CleanupResult
from checkend.retention.size_limits import LimitWarnings, shrink_apps, shrink_database

INITIAL_DELAY_SECONDS = 20.0
INTERVAL_SECONDS = 3600.0
POLL_SECONDS = 5.0  # between checks of the size limits
POLLS_PER_INDEXING = 12
RUNS_PER_SWEEP = 24
SPARE_PAGES = 1000  # free pages that a run leaves in the file, since reports soon fill them again
MIN_PAUSE_SECONDS = 0.005
JOIN_SECONDS = 0.5

log = logging.getLogger("checkend.retention")


class RetentionWorker:
    """Runs retention from `start` to `stop`. The attributes count what it has done since then."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._limits = retention_limits(app.config)
        self._cap: int = app.config["MAX_STORE_BYTES"]
        self._app_cap: int = app.config["MAX_APP_BYTES"]
        self._audit_log_days: int = app.config["AUDIT_LOG_DAYS"]
        self._max_share: int = app.config["RETENTION_MAX_SHARE"]
        self._session_lifetime = timedelta(days=app.config["SESSION_DAYS"])
        self._warnings = LimitWarnings()
        self._polls = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.removed = CleanupResult()
        self.runs = 0
        self.failures = 0
        self.limited = False  # whether the last complete run left notices that have expired by age
        self.finished_at: datetime | None = None

    def start(self) -> None:
        """Start the thread: a run after `INITIAL_DELAY_SECONDS`, then every hour; size limits every few seconds."""
        self._thread = threading.Thread(target=self._work, name="checkend-retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current step, but wait at most `JOIN_SECONDS`. Does nothing if the thread was not started."""
        self._stopping.set()
        if self._thread is not None:
            # A step that still waits for the write lock ends with the process and changes nothing.
            self._thread.join(JOIN_SECONDS)

    def run(self, *, whole: bool = True) -> None:
        """Remove what has expired and enforce the size limits; unless ``whole``, only the latter.

        An error is logged and counted: the next run continues where this one ended.
        """
        started, before = time.monotonic(), self.removed
        guard = AgeGuard(self._max_share, starting=self.runs == 0)
        try:
            with self._app.app_context():
                g.timeout_seconds = REQUEST_LOCK_SECONDS  # stopping the server waits for the current step
                self._run_steps(self._steps(whole, guard))
        except Exception as error:  # a full disk, for example
            self.failures += 1
            log.error("retention failed: %s", error)
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
                warnings=self._warnings,
            )
            yield from remove_audit_entries(self._audit_log_days, guard)
            with write_transaction():
                UserSession.delete_expired(self._session_lifetime)
                delete_old_responses()
            yield CleanupResult()
        else:
            yield from shrink_apps(self._app_cap, self._warnings)
            yield from shrink_database(self._cap, self._warnings)
        self._polls += 1
        if self._polls % POLLS_PER_INDEXING == 0:
            yield from (CleanupResult() for _ in index_latest_messages())

    def _run_steps(self, steps: Iterator[CleanupResult]) -> None:
        """Run ``steps``, each followed by a pause of the same length, so that others can write half of the time."""
        step_started = time.monotonic()
        for removed in steps:
            self.removed += removed
            if self._stopping.wait(max(time.monotonic() - step_started, MIN_PAUSE_SECONDS)):
                return
            step_started = time.monotonic()
