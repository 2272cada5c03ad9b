"""Connections to the SQLite file: pragmas, the size limit, and one writer at a time."""

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from checkend.db.database_file import DatabaseFile, tracked
from checkend.db.fair_lock import FairLock

# How many seconds commands and background threads wait for other writers. Requests wait for a shorter time
# (`checkend.db.session.REQUEST_LOCK_SECONDS`), so that users get an error while they still wait for the page, and the
# thread can serve other requests.
LOCK_TIMEOUT_SECONDS = 10.0
DATABASE_FILE_NAME = "checkend.sqlite3"


_write_locks: dict[str, FairLock] = {}
_write_locks_guard = threading.Lock()


class DatabaseConnection(sqlite3.Connection):
    """A DBAPI connection that takes the process's write lock before SQLite's, and releases it after the transaction.

    Other processes are kept apart by SQLite's own lock and its busy timeout. Every transaction begins by checking that
    the file at the database's path is still the one that is open.
    """

    def __init__(self, file: DatabaseFile, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = file
        with _write_locks_guard:
            self._write_lock = _write_locks.setdefault(file.path, FairLock())
        self._lock_timeout: float = kwargs.get("timeout", LOCK_TIMEOUT_SECONDS)
        self._has_write_lock = False

    def begin(self, *, writing: bool, timeout_seconds: float | None = None, withdraw: bool = False) -> None:
        """Open a transaction; with ``writing`` as the only writer.

        Waits for the lock for ``timeout_seconds`` in all, or for the connection's timeout, then raises
        sqlite3.OperationalError. Raises its subclass `DatabaseReplacedError` when the file was removed or replaced.
        ``withdraw`` is passed to `FairLock.acquire`.
        """
        if not writing:
            self._file.check(self)
            self.execute("BEGIN")
            return
        timeout = self._lock_timeout if timeout_seconds is None else timeout_seconds
        started = time.monotonic()
        if not self._write_lock.acquire(timeout, withdraw=withdraw):
            raise sqlite3.OperationalError("database is locked")
        self._has_write_lock = True
        self._write_lock.blocked_since = now = time.monotonic()
        remaining = max(timeout - (now - started), 0)
        adjust = timeout_seconds is not None or now - started > 0.05
        try:
            self._file.check(self)
            if adjust:
                self.execute(f"PRAGMA busy_timeout = {remaining * 1000:.0f}")
            self.execute("BEGIN IMMEDIATE")
            self._write_lock.blocked_since = None
        except BaseException:
            # Reset before the lock is released: the next thread to get it would otherwise appear to be blocked.
            self._write_lock.blocked_since = None
            self._release_write_lock()
            raise
        finally:
            if adjust:
                self.execute(f"PRAGMA busy_timeout = {self._lock_timeout * 1000:.0f}")

    def commit(self) -> None:
        super().commit()
        self._release_write_lock()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self._release_write_lock()

    def close(self) -> None:
        try:
            with self._file.closing(self):
                super().close()
        finally:
            self._release_write_lock()

    def _release_write_lock(self) -> None:
        if self._has_write_lock:
            self._has_write_lock = False
            self._write_lock.release()


def connect(path: Path | str, timeout: float = LOCK_TIMEOUT_SECONDS) -> DatabaseConnection:
    """Open a DBAPI connection to the database file at ``path``, with the pragmas of this module.

    ``timeout`` is how many seconds it waits for other writers. Raises sqlite3.OperationalError for a file that does
    not exist, and its subclass `DatabaseReplacedError` for a file other than the one this process has used so far.
    """
    file = tracked(path)
    with file.opening() as connections:
        connection = DatabaseConnection(
            file,
            file.uri,
            uri=True,
            isolation_level=None,
            timeout=timeout,
            check_same_thread=False,
            cached_statements=256,
        )
        set_pragmas(connection)
        # A database that was not in WAL mode, such as a backup, gets its log with the first read. `file` records which
        # log belongs to the database, and would take a log that appears later for a replaced one.
        connection.execute("PRAGMA schema_version")
        connections.add(connection)
    return connection


def set_pragmas(connection: sqlite3.Connection) -> None:
    """Set WAL mode, commits that reach the disk, enforced foreign keys, and a page cache of at most 16 MiB."""
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -16384",
        "journal_size_limit = 67108864",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def limit_size(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Make writes through ``connection`` fail, as on a full disk, when the file would exceed ``max_bytes``."""
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA max_page_count = {max_bytes // page_bytes}")


def last_row_id(cursor: sqlite3.Cursor) -> int:
    """Return the id of the row that the cursor's INSERT created."""
    assert cursor.lastrowid is not None  # every INSERT sets it
    return cursor.lastrowid
