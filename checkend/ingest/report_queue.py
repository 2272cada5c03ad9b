"""The queue between the request threads and the writer: admission, waiting, and what happens when the writer stalls."""

import threading
import time
from collections import deque

from checkend.ingest.exceptions import DatabaseUnavailableError
from checkend.ingest.reports import IngestResult, PreparedReport

MAX_BATCH = 500
# How long the writer waits for as many reports as were in progress at the end of its last batch. While it writes, it
# competes with the request threads for the interpreter lock at every statement, so it pays to let all of them arrive
# first. A client that sends one report at a time is never kept waiting.
LINGER_SECONDS = 0.005
# A healthy writer finishes a batch within milliseconds. After this many seconds it counts as stalled, and reports may
# no longer occupy every request thread. Also how long one attempt to lock the database takes; see `Writer._lock`.
STALL_SECONDS = 0.5


class PendingReport:
    """A report in the queue or in a batch. ``done`` is locked until there is an outcome."""

    __slots__ = ("done", "outcome", "report")

    def __init__(self, report: PreparedReport) -> None:
        self.report = report
        self.outcome: IngestResult | Exception | None = None
        self.done = threading.Lock()
        self.done.acquire()


class ReportQueue:
    """Reports that wait for the writer, each with its request thread.

    At most ``size`` reports wait at once, each for at most ``timeout`` seconds. While the writer makes no progress, at
    most ``stalled_limit`` may wait; if that is less than the number of request threads, the others remain free for
    requests that are not reports.

    After a batch failed because the database was locked, full or otherwise unavailable, the queue admits one report at
    a time, as a probe, and rejects all others at once, until a probe has been stored.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self._size = size
        self._timeout = timeout
        self._pending: deque[PendingReport] = deque()
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._expected = 1  # how many reports the next batch will probably have
        self._writing = 0  # reports in the writer's current batch
        self._stalled = False
        self.is_closed = False
        self.is_failing = False
        self.is_healthy = True  # neither stalled nor failing; read for every report, without the lock
        self.stalled_limit = size

    def __len__(self) -> int:
        return len(self._pending)

    # --- for the request threads -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `DatabaseUnavailableError` if `submit` would reject a report at once, without preparing it first."""
        with self._lock:
            self._check()

    def _check(self) -> None:
        waiting = len(self._pending) + self._writing
        if self.is_closed:
            raise DatabaseUnavailableError("the server is stopping", "stopping")
        if self.is_failing and waiting:
            raise DatabaseUnavailableError("the database cannot be written, and another report is the probe")
        if self._stalled and not waiting:
            # All reports that waited gave up before the writer got to them, so there was no batch whose end would have
            # ended the stall. With a limit of 0, as for a single request thread, every later report would be rejected.
            self._end_stall()
        if self._stalled and waiting >= self.stalled_limit:
            raise _stalled_error()
        if len(self._pending) >= self._size:
            raise DatabaseUnavailableError(f"{len(self._pending)} reports are waiting to be stored", "queue_full")

    def submit(self, report: PreparedReport, deadline: float | None) -> IngestResult:
        """Queue ``report`` and wait for its outcome; see `Writer.submit`."""
        started = time.monotonic()
        if deadline is None:
            deadline = started + self._timeout
        pending = PendingReport(report)
        with self._lock:
            if not self.is_healthy or self.is_closed or len(self._pending) >= self._size:
                self._check()
            self._pending.append(pending)
            if len(self._pending) == 1 or len(self._pending) >= self._expected:
                self._arrived.notify()
        if not pending.done.acquire(timeout=min(STALL_SECONDS, max(deadline - started, 0))):
            self._wait_for_stalled_writer(pending, started, deadline)
        if isinstance(pending.outcome, Exception):
            raise pending.outcome
        if pending.outcome is None:
            raise DatabaseUnavailableError("the report's batch failed with an unexpected exception")
        return pending.outcome

    def _wait_for_stalled_writer(self, pending: PendingReport, started: float, deadline: float) -> None:
        """Wait until the deadline, or free the thread at once if enough other reports wait already."""
        with self._lock:
            is_waiting = pending.outcome is None and (self._writing or pending in self._pending)
            if is_waiting and time.monotonic() - started >= STALL_SECONDS:
                self._stalled, self.is_healthy = True, False
            too_many = self._stalled and len(self._pending) + self._writing > self.stalled_limit
            if too_many and pending in self._pending:
                self._pending.remove(pending)
                raise _stalled_error()
        if pending.done.acquire(timeout=max(deadline - time.monotonic(), 0)):
            return
        # The client receives 503, so the report must not be stored later: withdraw it. If the writer has taken it
        # already, it is too late for that, and the outcome of the batch decides.
        with self._lock:
            if pending in self._pending:
                self._pending.remove(pending)
                raise DatabaseUnavailableError(f"the report was not stored within {self._timeout:g} s", "timeout")
        pending.done.acquire()

    # --- for stopping ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Reject all later reports. Those in the queue can still be written."""
        with self._lock:
            self.is_closed = True
            self._arrived.notify()

    def reject_pending(self) -> None:
        """Reject the reports in the queue and all later ones. None of them is stored later."""
        with self._lock:
            self.is_closed = True
            rejected = list(self._pending)
            self._pending.clear()
            self._arrived.notify()
        for pending in rejected:
            pending.outcome = DatabaseUnavailableError("the server is stopping", "stopping")
            pending.done.release()

    # --- for the writer --------------------------------------------------------------------------------------------

    def wait_for_reports(self) -> bool:
        """Wait until reports have gathered; return False when the queue is closed and empty."""
        with self._lock:
            while not self._pending and not self.is_closed:
                self._arrived.wait()
            if len(self._pending) < self._expected:
                self._arrived.wait_for(lambda: self.is_closed or len(self._pending) >= self._expected, LINGER_SECONDS)
            return bool(self._pending) or not self.is_closed

    def take_batch(self) -> list[PendingReport]:
        """Remove and return the next reports to write: none if all have been withdrawn."""
        with self._lock:
            batch = [self._pending.popleft() for _ in range(min(len(self._pending), MAX_BATCH))]
            self._writing = len(batch)
            return batch

    def finish(self, batch: list[PendingReport]) -> None:
        """Wake the request threads of a batch. Their next reports find the new state of the writer."""
        # With the lock: a request thread that has just seen that its report is in the batch would still report a stall.
        with self._lock:
            self._writing = 0
            self._expected = len(batch) + len(self._pending)
            self._end_stall()
        for pending in batch:
            pending.done.release()

    def set_failing(self, is_failing: bool) -> None:
        """Admit one report at a time from now on, or all again after the end of the batch."""
        self.is_failing = is_failing
        if is_failing:
            self.is_healthy = False

    def _end_stall(self) -> None:
        self._stalled = False
        self.is_healthy = not self.is_failing


def _stalled_error() -> DatabaseUnavailableError:
    return DatabaseUnavailableError("the writer is stalled, and enough reports wait for it", "stalled")
