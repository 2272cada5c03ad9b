"""Write reports to SQLite: one transaction for each batch, in plain statements on a DBAPI connection."""

import sqlite3
from collections import Counter
from contextlib import suppress
from pathlib import Path

from checkend.db.connection import LOCK_TIMEOUT_SECONDS, DatabaseConnection, connect, limit_size
from checkend.ingest.batch import Batch
from checkend.ingest.counters import CounterWriter
from checkend.ingest.dedup import BatchDedup, DedupCache
from checkend.ingest.quota import Quota, StorageLimits
from checkend.ingest.reports import IngestResult, PreparedReport
from checkend.ingest.triggers import write_events

# Roughly how much a batch adds to the file if every request thread sends 1 MB.
MAX_BATCH_BYTES = 16_777_216
_NO_LIMITS = StorageLimits()


class ReportStore:
    """Write batches of reports. For one thread at a time; the write lock keeps other writers of the process apart."""

    def __init__(
        self,
        path: Path,
        dedup_window_seconds: int,
        *,
        limits: StorageLimits = _NO_LIMITS,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        """``lock_timeout`` is how many seconds `lock` waits for other writers."""
        self._path = path
        self._limits = limits
        self._lock_timeout = lock_timeout
        self._connection: DatabaseConnection | None = None
        self._version = -1
        self._dedup_cache = DedupCache(dedup_window_seconds * 1_000_000)
        self._counters = CounterWriter()
        self._reserve_used: Counter[int] = Counter()  # see `Quota`

    def lock(self) -> None:
        """Begin the transaction of the next `write`, as the only writer. Raises sqlite3.Error."""
        connection = self._connection or self._open()
        if connection.in_transaction:  # an unexpected exception kept the previous caller from calling `write`
            self._roll_back(connection)
            connection = self._connection or self._open()
        connection.begin(writing=True)

    def write(self, batch: list[PreparedReport]) -> list[IngestResult | Exception]:
        """Store or count each report of ``batch`` in one transaction, which is on disk when this returns.

        The transaction is the one that `lock` began, or a new one.

        An exception in the list is the reason why a report was left out: `StaleKeyError` when the key or its app has
        changed, `NotDuplicateError` when a report without content has to be stored, `StorageLimitError` when its app
        uses too much of the database.

        Raises sqlite3.Error; nothing of the batch is stored then.
        """
        connection = self._connection or self._open()
        if not connection.in_transaction:
            connection.begin(writing=True)
        try:
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:  # another connection has committed since the last batch
                self._version = version
                self._counters.forget()
            dedup = BatchDedup(self._dedup_cache, connection, self._version)
            work = Batch(connection, dedup, Quota(connection, self._limits, self._reserve_used), self._limits)
            results = [work.process(report) for report in batch]
            self._counters.write(connection, work.problems.values(), work.quota)
            write_events(connection, work.problems.values(), self._counters.releases)
            connection.commit()
        except BaseException:
            self._counters.forget()
            self._roll_back(connection)
            raise
        self._dedup_cache.update(dedup.entries)
        return results

    def close(self) -> None:
        """Close the connection; the next batch opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def is_at_limit(self) -> bool:
        """Return whether the file may be too close to the limit on its size for a batch to fit.

        SQLite reports this and a full disk as the same error.
        """
        if not self._limits.store_bytes or self._connection is None:
            return False
        with suppress(sqlite3.Error):
            pages, page_bytes = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
            )
            remaining: int = self._limits.store_bytes - pages * page_bytes
            return remaining < max(self._limits.store_bytes // 10, MAX_BATCH_BYTES)
        return False

    def _open(self) -> DatabaseConnection:
        connection = connect(self._path, timeout=self._lock_timeout)
        if self._limits.store_bytes:
            limit_size(connection, self._limits.store_bytes)
        self._connection = connection
        return connection

    def _roll_back(self, connection: DatabaseConnection) -> None:
        try:
            connection.rollback()
        except sqlite3.Error:  # the connection itself is broken: the next batch opens a new one
            self.close()
