"""The one thread that writes reports: what has gathered while it committed becomes the next transaction.

A request hands its report over and waits; it is answered once the report is on the disk. Nobody waits for a lock,
and the cost of a commit is shared by all that came in meanwhile.
"""

import logging
import sqlite3
import threading
import time
from collections import deque

from checkend.ingest.store import Prepared, ReportStore, Stored
from checkend.metrics import SECONDS, SIZES, Histogram

log = logging.getLogger("checkend.writer")

CLOSE_SECONDS = 1.0

MAX_BATCH = 500
# How long the writer waits for as many reports as there were at once the last time. While it writes, it competes with
# the request threads for the interpreter at every statement: it pays to let them all arrive first. A lone sender never
# waits.
LINGER_SECONDS = 0.005
# What says that the store itself cannot be written now, whatever the report: the whole batch is refused with 503.
_STORE_ERRORS = frozenset(
    "SQLITE_BUSY SQLITE_LOCKED SQLITE_FULL SQLITE_READONLY SQLITE_IOERR SQLITE_CANTOPEN SQLITE_NOMEM SQLITE_CORRUPT "
    "SQLITE_NOTADB SQLITE_PROTOCOL SQLITE_PERM SQLITE_AUTH".split()
)


class Unavailable(Exception):
    """The report could not be stored now; nothing of it was kept, and it may be sent again."""


class Unstorable(Exception):
    """The report itself cannot be stored; others can."""


class _Waiting:
    """A report on its way. ``turn`` is held until there is an outcome."""

    __slots__ = ("outcome", "report", "turn")

    def __init__(self, report: Prepared) -> None:
        self.report = report
        self.outcome: Stored | Exception | None = None
        self.turn = threading.Lock()
        self.turn.acquire()


class Writer:
    """Takes reports from any thread; its own thread, started with the first report, writes them.

    ``queue_size`` is how many may wait at once, ``timeout`` for how many seconds each.
    """

    def __init__(self, store: ReportStore, *, queue_size: int, timeout: float) -> None:
        self._store = store
        self._queue_size = queue_size
        self._timeout = timeout
        self._queue: deque[_Waiting] = deque()
        self._guard = threading.Lock()
        self._arrived = threading.Condition(self._guard)
        self._thread: threading.Thread | None = None
        self._closing = False
        self._expected = 1
        self.batches = Histogram(SIZES)
        self.commits = Histogram(SECONDS)

    @property
    def queue_length(self) -> int:
        """How many reports wait at the moment."""
        return len(self._queue)

    def submit(self, report: Prepared) -> Stored:
        """Have ``report`` written; returns when it is on the disk.

        Raises `Unavailable` when the store cannot be written, the queue is full, or the time ran out before the
        writer came to it; `Unstorable` when this very report cannot be stored; `SenderChanged`, `NotARepeat`,
        `quota.StorageLimitError`.
        """
        waiting = _Waiting(report)
        with self._guard:
            if self._closing:
                raise Unavailable("the server is stopping")
            if len(self._queue) >= self._queue_size:
                raise Unavailable(f"{len(self._queue)} reports wait to be stored")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="checkend-writer", daemon=True)
                self._thread.start()
            self._queue.append(waiting)
            if len(self._queue) == 1 or len(self._queue) >= self._expected:
                self._arrived.notify()
        if not waiting.turn.acquire(timeout=self._timeout):
            self._give_up(waiting)
        if isinstance(waiting.outcome, Exception):
            raise waiting.outcome
        assert waiting.outcome is not None  # the turn comes with an outcome
        return waiting.outcome

    def _give_up(self, waiting: _Waiting) -> None:
        """Take a report back, so that what is answered 503 is not stored; one being written is waited for."""
        with self._guard:
            if waiting in self._queue:
                self._queue.remove(waiting)
                raise Unavailable(f"the report was not stored within {self._timeout:g} s")
        waiting.turn.acquire()

    def reject_waiting(self) -> None:
        """Reject the reports that wait, also for another process's lock, and all later ones: the server is stopping.

        None of them is stored later.
        """
        with self._guard:
            self._closing = True
            self._store.stop_waiting()
            waiting = list(self._queue)
            self._queue.clear()
            self._arrived.notify()
        for report in waiting:
            report.outcome = Unavailable("the server is stopping")
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
            if thread.is_alive():  # the disk stalls: the connection must not be closed under the thread
                log.error("the database could not be closed: a transaction does not end")
                return
        self._store.close()

    def _run(self) -> None:
        while True:
            with self._guard:
                batch = self._next_batch()
                if not batch and self._closing:
                    return
            if batch:
                self._write(batch)

    def _next_batch(self) -> list[_Waiting]:
        """Wait for reports and take them from the queue; none when the writer closes, or all gave up waiting."""
        while not self._queue and not self._closing:
            self._arrived.wait()
        if len(self._queue) < self._expected:
            self._arrived.wait_for(lambda: self._closing or len(self._queue) >= self._expected, LINGER_SECONDS)
        return [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]

    def _write(self, batch: list[_Waiting]) -> None:
        started = time.perf_counter()
        try:
            results = self._store.write([waiting.report for waiting in batch])
            for waiting, result in zip(batch, results, strict=True):
                waiting.outcome = result
        except Exception as error:
            self._fail(batch, error)
        finally:
            self._expected = len(batch) + len(self._queue)
            for waiting in batch:
                waiting.turn.release()
            self.batches.add(len(batch))
            self.commits.add(time.perf_counter() - started)

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        """Refuse the batch when the store is at fault; else write its reports one by one, so that one fails alone."""
        if _is_store_error(error):
            log.error("%d report(s) could not be stored: %s", len(batch), error)
            for waiting in batch:
                waiting.outcome = Unavailable(str(error))
            return
        if len(batch) == 1:
            log.error("a report cannot be stored: %s", type(error).__name__)
            batch[0].outcome = Unstorable("The report cannot be stored")
            return
        for waiting in batch:
            try:
                waiting.outcome = self._store.write([waiting.report])[0]
            except Exception as its_own:
                self._fail([waiting], its_own)


def _is_store_error(error: Exception) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(tuple(_STORE_ERRORS)):
        return True
    return isinstance(error, sqlite3.OperationalError) and not name
