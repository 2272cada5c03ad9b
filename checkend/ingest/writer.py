"""The one thread that writes reports: those that arrive while it commits become its next transaction.

A request thread queues its report and waits; the client receives the response once the report is on disk. No request
thread waits for a lock, and all reports of a batch share the cost of one commit.

The writer locks the database before it takes reports from the queue. While another process has the lock, each report
therefore stays in the queue, where its own thread can withdraw it at its deadline: a report whose client received 503
is never stored later.
"""

import logging
import threading
import time

from checkend.db.errors import is_busy, is_full, is_unavailable
from checkend.ingest.exceptions import DatabaseUnavailableError, ReportRejectedError
from checkend.ingest.report_queue import PendingReport, ReportQueue
from checkend.ingest.reports import IngestResult, PreparedReport
from checkend.ingest.store import ReportStore
from checkend.telemetry.metrics import SECONDS_BUCKETS, SIZE_BUCKETS, Histogram

log = logging.getLogger("checkend.writer")

# How long `Writer.close` waits for the reports in the queue, and once more for a batch that the disk does not finish.
CLOSE_SECONDS = 1.0


class Writer:
    """Write reports that any thread submits. The thread starts with the first report.

    ``queue_size`` and ``timeout`` are explained at `ReportQueue`.
    """

    def __init__(self, store: ReportStore, *, queue_size: int, timeout: float) -> None:
        self._store = store
        self._timeout = timeout
        self.queue = ReportQueue(queue_size, timeout)
        self._thread: threading.Thread | None = None
        self._thread_lock = threading.Lock()
        self.batches = Histogram(SIZE_BUCKETS)
        self.commits = Histogram(SECONDS_BUCKETS)

    @property
    def queue_length(self) -> int:
        """The number of reports in the queue."""
        return len(self.queue)

    @property
    def is_healthy(self) -> bool:
        """Return whether the writer is neither stalled nor failing."""
        return self.queue.is_healthy

    def submit(self, report: PreparedReport, deadline: float | None = None) -> IngestResult:
        """Have ``report`` written; return when it is on disk.

        ``deadline`` is the time of time.monotonic() until which the report may wait, by default ``timeout`` from now.

        Raises `DatabaseUnavailableError` when the database cannot be written, too many reports wait, or the deadline
        passed before the report was in a batch; `ReportRejectedError` when this particular report cannot be stored;
        `StaleKeyError`, `NotDuplicateError`, `StorageLimitError`.
        """
        if self._thread is None:
            self._start()
        return self.queue.submit(report, deadline)

    def _start(self) -> None:
        with self._thread_lock:
            if self._thread is None and not self.queue.is_closed:
                self._thread = threading.Thread(target=self._run, name="checkend-writer", daemon=True)
                self._thread.start()

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Write the reports in the queue, stop, and close the database connection. Later reports are rejected.

        Reports that cannot be written within ``timeout`` seconds are rejected. Takes at most `CLOSE_SECONDS` longer.
        """
        self.queue.close()
        with self._thread_lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                self.queue.reject_pending()
                thread.join(CLOSE_SECONDS)
            if thread.is_alive():  # the disk hangs: closing the connection under the thread would hang as well
                log.error("the database connection was not closed, because a transaction has not ended")
                return
        self._store.close()

    def _run(self) -> None:
        while self.queue.wait_for_reports():
            try:
                if self.queue and self._lock():
                    self._write(self.queue.take_batch())
            except Exception:  # without this thread no report would ever be stored again
                log.exception("a batch of reports failed with an unexpected exception; none of them was acknowledged")

    def _lock(self) -> bool:
        """Lock the database; return False if that failed, and the queue was rejected.

        Each attempt lasts `STALL_SECONDS`, to notice soon that the server is closed or that no report waits any more.
        """
        until = time.monotonic() + self._timeout
        while True:
            try:
                self._store.lock()
            except Exception as error:
                if is_busy(error) and self.queue and not self.queue.is_closed and time.monotonic() < until:
                    continue
                batch = self.queue.take_batch()
                try:
                    self._fail(batch, error)
                finally:
                    self.queue.finish(batch)
                return False
            return True

    def _write(self, batch: list[PendingReport]) -> None:
        """Write the batch in the transaction that `_lock` began; it is empty if all reports have been withdrawn."""
        started = time.perf_counter()
        try:
            results = self._store.write([pending.report for pending in batch])
            for pending, result in zip(batch, results, strict=True):
                pending.outcome = result
            if self.queue.is_failing and batch:
                self.queue.set_failing(False)
                log.warning("Reports can be stored again.")
        except Exception as error:
            self._fail(batch, error)
        finally:
            self.queue.finish(batch)
            if batch:
                self.batches.add(len(batch))
                self.commits.add(time.perf_counter() - started)

    def _fail(self, batch: list[PendingReport], error: Exception) -> None:
        """Reject the batch if the database is unavailable; otherwise write its reports one by one.

        At the limit of the file's size, a large report fails where a smaller one, or another duplicate, still fits. As
        that says nothing about the next report, it does not make the queue reject others.
        """
        over_limit = is_full(error) and self._store.is_at_limit
        if over_limit and len(batch) == 1:
            log.error("a report was not stored because CHECKEND_MAX_STORE_BYTES is reached")
            batch[0].outcome = DatabaseUnavailableError(str(error), "store_limit")
        elif is_unavailable(error) and not over_limit:
            if not self.queue.is_failing:  # once, not for every report of a flood
                self.queue.set_failing(True)
                log.error("Reports cannot be stored: %s. Clients receive 503 until a report can be stored.", error)
            for pending in batch:
                pending.outcome = DatabaseUnavailableError(str(error))
        elif len(batch) == 1:
            log.error("a report cannot be stored: %s", type(error).__name__)
            batch[0].outcome = ReportRejectedError("The report cannot be stored")
        else:
            self._write_one_by_one(batch)

    def _write_one_by_one(self, batch: list[PendingReport]) -> None:
        for number, pending in enumerate(batch):
            try:
                pending.outcome = self._store.write([pending.report])[0]
            except Exception as error:
                self._fail([pending], error)
                if self.queue.is_failing:  # each remaining report would wait for the lock as long as this one did
                    self._fail(batch[number + 1 :], error)
                    return
