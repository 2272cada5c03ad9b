"""The one thread that writes reports: what has gathered while it committed becomes the next transaction.

A request hands its report over and waits; it is answered once the report is on the disk. Nobody waits for a lock,
and the cost of a commit is shared by all that came in meanwhile.

The writer takes the database's lock before it takes reports from the queue. While another process holds the database,
every report therefore stays in the queue, where its own thread can withdraw it the moment its time is up: a report
that was answered with 503 is never stored later.
"""

import logging
import threading
import time
from collections import deque

from checkend.db.errors import is_busy, is_full, is_unavailable
from checkend.exceptions import CheckendError
from checkend.ingest.store import IngestResult, PreparedReport, ReportStore
from checkend.telemetry.metrics import SECONDS_BUCKETS, SIZE_BUCKETS, Histogram

log = logging.getLogger("checkend.writer")

MAX_BATCH = 500
# How long the writer waits for as many reports as there were at once the last time. While it writes, it competes with
# the request threads for the interpreter at every statement: it pays to let them all arrive first. A lone sender never
# waits.
LINGER_SECONDS = 0.005
# A healthy writer finishes a batch within milliseconds. From this many seconds on it counts as stalled, and reports may
# no longer occupy every request thread. Also how long one attempt at the database's lock lasts; see `Writer._lock`.
STALL_SECONDS = 0.5
# How long `Writer.close` waits for what is in the queue, and once more for a batch that the disk does not finish.
CLOSE_SECONDS = 1.0


class DatabaseUnavailableError(CheckendError):
    """The report could not be stored now; nothing of it was kept, and it may be sent again.

    ``reason`` is what /metrics counts it under.
    """

    def __init__(self, message: str, reason: str = "database") -> None:
        super().__init__(message)
        self.reason = reason


class ReportRejectedError(CheckendError):
    """The report itself cannot be stored; others can."""


class _PendingReport:
    """A report on its way. ``turn`` is held until there is an outcome."""

    __slots__ = ("outcome", "report", "turn")

    def __init__(self, report: PreparedReport) -> None:
        self.report = report
        self.outcome: IngestResult | Exception | None = None
        self.turn = threading.Lock()
        self.turn.acquire()


class Writer:
    """Takes reports from any thread; its own thread, started with the first report, writes them.

    ``queue_size`` is how many reports may wait at once, ``timeout`` how many seconds each may wait. ``stalled_limit``
    is how many may wait while the writer makes no progress; set it below the number of request threads, so that some
    remain for everything that is not a report.

    After a batch failed because the database was locked, full or otherwise unusable, the writer accepts one report at a
    time, as a probe, and rejects all others at once until a probe was stored.
    """

    def __init__(self, store: ReportStore, *, queue_size: int, timeout: float) -> None:
        self._store = store
        self._queue_size = queue_size
        self._timeout = timeout
        self._queue: deque[_PendingReport] = deque()
        self._guard = threading.Lock()
        self._arrived = threading.Condition(self._guard)
        self._thread: threading.Thread | None = None
        self._closing = False
        self._expected = 1
        self._writing = 0
        self._stalled = False
        self._failing = False
        self.is_healthy = True  # neither stalled nor failing; read for every report, without the guard
        self.stalled_limit = queue_size
        self.batches = Histogram(SIZE_BUCKETS)
        self.commits = Histogram(SECONDS_BUCKETS)

    @property
    def queue_length(self) -> int:
        """How many reports wait at the moment."""
        return len(self._queue)

    def check(self) -> None:
        """Raise `DatabaseUnavailableError` if `submit` would reject a report at once; saves the work of preparing
        it.
        """
        with self._guard:
            self._check()

    def _check(self) -> None:
        waiting = len(self._queue) + self._writing
        if self._closing:
            raise DatabaseUnavailableError("the server is stopping", "stopping")
        if self._failing and waiting:
            raise DatabaseUnavailableError("the database could not be written, and another report is trying it")
        if self._stalled and not waiting:
            # All that waited gave up before the writer came to them, so it had no batch that would end the stall. With
            # a limit of 0, as for a single request thread, every later report would be rejected.
            self._end_stall()
        if self._stalled and waiting >= self.stalled_limit:
            raise DatabaseUnavailableError(
                "the database is not being written, and enough reports wait for it", "stalled"
            )
        if len(self._queue) >= self._queue_size:
            raise DatabaseUnavailableError(f"{len(self._queue)} reports wait to be stored", "queue_full")

    def submit(self, report: PreparedReport, deadline: float | None = None) -> IngestResult:
        """Have ``report`` written; return when it is on the disk.

        ``deadline`` is a time of time.monotonic() until which the report may wait; by default ``timeout`` from now.

        Raises `DatabaseUnavailableError` when the database cannot be written, too many reports wait, or the deadline
        passed before the writer came to it; `ReportRejectedError` when this very report cannot be stored;
        `StaleKeyError`, `NotDuplicateError`, `quota.StorageLimitError`.
        """
        began = time.monotonic()
        if deadline is None:
            deadline = began + self._timeout
        waiting = _PendingReport(report)
        with self._guard:
            if not self.is_healthy or self._closing or len(self._queue) >= self._queue_size:
                self._check()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="checkend-writer", daemon=True)
                self._thread.start()
            self._queue.append(waiting)
            if len(self._queue) == 1 or len(self._queue) >= self._expected:
                self._arrived.notify()
        if not waiting.turn.acquire(timeout=min(STALL_SECONDS, max(deadline - began, 0))):
            self._wait_on(waiting, began, deadline)
        if isinstance(waiting.outcome, Exception):
            raise waiting.outcome
        if waiting.outcome is None:
            raise DatabaseUnavailableError("the report's batch failed in an unexpected way")
        return waiting.outcome

    def _wait_on(self, waiting: _PendingReport, began: float, deadline: float) -> None:
        """Wait for a stalled writer until the deadline, or free the thread at once if enough reports wait for it."""
        with self._guard:
            is_pending = waiting.outcome is None and (self._writing or waiting in self._queue)
            if is_pending and time.monotonic() - began >= STALL_SECONDS:
                self._stalled, self.is_healthy = True, False
            too_many = self._stalled and len(self._queue) + self._writing > self.stalled_limit
            if too_many and waiting in self._queue:
                self._queue.remove(waiting)
                raise DatabaseUnavailableError(
                    "the database is not being written, and enough reports wait for it", "stalled"
                )
        if not waiting.turn.acquire(timeout=max(deadline - time.monotonic(), 0)):
            self._give_up(waiting)

    def _give_up(self, waiting: _PendingReport) -> None:
        """Take a report back, so that what is answered 503 is not stored; one being written is waited for."""
        with self._guard:
            if waiting in self._queue:
                self._queue.remove(waiting)
                raise DatabaseUnavailableError(f"the report was not stored within {self._timeout:g} s", "timeout")
        waiting.turn.acquire()

    def reject_waiting(self) -> None:
        """Reject the reports that wait, also for another process's lock, and all later ones: the server is stopping.

        None of them is stored later.
        """
        with self._guard:
            self._closing = True
            waiting = list(self._queue)
            self._queue.clear()
            self._arrived.notify()
        for report in waiting:
            report.outcome = DatabaseUnavailableError("the server is stopping", "stopping")
            report.turn.release()

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Write what waits, stop, and close the store. What comes later is rejected.

        What cannot be written within ``timeout`` seconds is rejected. Takes a second longer at most.
        """
        with self._guard:
            self._closing = True
            self._arrived.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                self.reject_waiting()
                thread.join(CLOSE_SECONDS)
            if thread.is_alive():  # the disk hangs: closing the connection under the thread would hang as well
                log.error("the database could not be closed: a transaction does not end")
                return
        self._store.close()

    def _run(self) -> None:
        while self._wait_for_reports():
            try:
                if self._queue and self._lock():
                    self._write(self._take_batch())
            except Exception:  # without this thread no report would ever be stored again
                log.exception("a batch of reports failed in an unexpected way; none of it is acknowledged")

    def _wait_for_reports(self) -> bool:
        """Wait until reports have gathered; False when the writer is closing and none is left."""
        with self._guard:
            while not self._queue and not self._closing:
                self._arrived.wait()
            if len(self._queue) < self._expected:
                self._arrived.wait_for(lambda: self._closing or len(self._queue) >= self._expected, LINGER_SECONDS)
            return bool(self._queue) or not self._closing

    def _lock(self) -> bool:
        """Take the database's lock; False when it could not be had, and the queue was rejected.

        Each attempt lasts `STALL_SECONDS`, so that closing the server, or the last waiting report's giving up, is
        noticed soon.
        """
        until = time.monotonic() + self._timeout
        while True:
            try:
                self._store.lock()
            except Exception as error:
                if is_busy(error) and self._queue and not self._closing and time.monotonic() < until:
                    continue
                self._write_nothing(error)
                return False
            return True

    def _write_nothing(self, error: Exception) -> None:
        batch = self._take_batch()
        try:
            self._fail(batch, error)
        finally:
            self._finish(batch)

    def _take_batch(self) -> list[_PendingReport]:
        with self._guard:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
            self._writing = len(batch)
            return batch

    def _write(self, batch: list[_PendingReport]) -> None:
        """Write the batch in the transaction that `_lock` began; none are left when all gave up meanwhile."""
        started = time.perf_counter()
        try:
            results = self._store.write([waiting.report for waiting in batch])
            for waiting, result in zip(batch, results, strict=True):
                waiting.outcome = result
            if self._failing and batch:
                self._failing = False
                log.warning("Reports can be stored again.")
        except Exception as error:
            self._fail(batch, error)
        finally:
            self._finish(batch)
            if batch:
                self.batches.add(len(batch))
                self.commits.add(time.perf_counter() - started)

    def _finish(self, batch: list[_PendingReport]) -> None:
        """Answer the batch. Whoever is answered meets the new state of the writer with the next report."""
        with self._guard:  # or a report that has just looked whether it is written would still count a stall
            self._writing = 0
            self._expected = len(batch) + len(self._queue)
            self._end_stall()
        for waiting in batch:
            waiting.turn.release()

    def _end_stall(self) -> None:
        self._stalled = False
        self.is_healthy = not self._failing

    def _fail(self, batch: list[_PendingReport], error: Exception) -> None:
        """Reject the batch when the store is at fault; else write its reports one by one, so that one fails alone.

        At the limit of the file's size, a large report fails where a smaller one, or another count, still fits. That
        says nothing about the next report, so it does not make the writer reject others.
        """
        over_limit = is_full(error) and self._store.is_at_limit
        if over_limit and len(batch) == 1:
            log.error("a report was not stored: CHECKEND_MAX_STORE_BYTES is reached")
            batch[0].outcome = DatabaseUnavailableError(str(error), "store_limit")
            return
        if is_unavailable(error) and not over_limit:
            if not self._failing:  # once, not for every report of a flood
                self._failing, self.is_healthy = True, False
                log.error("Reports cannot be stored: %s. They get 503 until one can.", error)
            for waiting in batch:
                waiting.outcome = DatabaseUnavailableError(str(error))
            return
        if len(batch) == 1:
            log.error("a report cannot be stored: %s", type(error).__name__)
            batch[0].outcome = ReportRejectedError("The report cannot be stored")
            return
        for number, waiting in enumerate(batch):
            try:
                waiting.outcome = self._store.write([waiting.report])[0]
            except Exception as its_own:
                self._fail([waiting], its_own)
                if self._failing:  # each of the rest would wait for the lock as long as this one did
                    self._fail(batch[number + 1 :], its_own)
                    return
