"""Connections to the SQLite file: pragmas, size limit, and one writer at a time."""

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from checkend.db.database_file import DatabaseFile, tracked
from checkend.db.fair_lock import FairLock

# For how many seconds commands and background threads wait for other writers, and for how many a request does: a page
# that cannot write says so while its reader is still there, and its thread serves the next request.
LOCK_TIMEOUT_SECONDS = 10.0
DATABASE_FILE_NAME = "checkend.sqlite3"


_write_locks: dict[str, FairLock] = {}
_write_locks_guard = threading.Lock()


def _write_lock(path: str) -> FairLock:
    with _write_locks_guard:
        return _write_locks.setdefault(path, FairLock())


class DatabaseConnection(sqlite3.Connection):
    """A DBAPI connection that takes the process's write lock before SQLite's, and frees it when the writing ends.

    Other processes are kept apart by SQLite's own lock, with its busy time-out. Every transaction begins with a look
    whether the file at the database's path still is the one that is open.
    """

    def __init__(self, file: DatabaseFile, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = file
        self._write_lock = _write_lock(file.path)
        self._lock_timeout: float = kwargs.get("timeout", LOCK_TIMEOUT_SECONDS)
        self._holds = False

    def begin(self, *, writing: bool, timeout_seconds: float | None = None, withdraw: bool = False) -> None:
        """Open a transaction; with ``writing`` as the only writer.

        Raises sqlite3.OperationalError when the lock did not become free in the connection's time-out, or in
        ``timeout_seconds`` seconds, in all, and its subclass `DatabaseReplacedError` when the file was removed or
        replaced. ``withdraw`` is as in `FairLock.acquire`.
        """
        if not writing:
            self._file.check(self)
            self.execute("BEGIN")
            return
        timeout = self._lock_timeout if timeout_seconds is None else timeout_seconds
        began = time.monotonic()
        if not self._write_lock.acquire(timeout, withdraw=withdraw):
            raise sqlite3.OperationalError("database is locked")
        self._holds = True
        self._write_lock.blocked_since = now = time.monotonic()
        left = max(timeout - (now - began), 0)
        adjust = timeout_seconds is not None or now - began > 0.05
        try:
            self._file.check(self)
            if adjust:
                self.execute(f"PRAGMA busy_timeout = {left * 1000:.0f}")
            self.execute("BEGIN IMMEDIATE")
            self._write_lock.blocked_since = None
        except BaseException:
            self._write_lock.blocked_since = None  # before the next thread has the lock
            self._free()
            raise
        finally:
            if adjust:
                self.execute(f"PRAGMA busy_timeout = {self._lock_timeout * 1000:.0f}")

    def commit(self) -> None:
        super().commit()
        self._free()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self._free()

    def close(self) -> None:
        try:
            with self._file.closing(self):
                super().close()
        finally:
            self._free()

    def _free(self) -> None:
        if self._holds:
            self._holds = False
            self._write_lock.release()


def connect(path: Path | str, timeout: float = LOCK_TIMEOUT_SECONDS) -> DatabaseConnection:
    """Open a DBAPI connection to the database file at ``path`` with the rules of this module set.

    ``timeout`` is for how many seconds it waits for other writers. Raises sqlite3.OperationalError for a file that does
    not exist, and its subclass `DatabaseReplacedError` for another one than this process has used so far.
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
        # A database that was not in WAL mode, such as a backup, gets its log with the first read. `file` notes which
        # log belongs to the database, and would take one that appears later for a replaced one.
        connection.execute("PRAGMA schema_version")
        connections.add(connection)
    return connection


def set_pragmas(connection: sqlite3.Connection) -> None:
    """WAL, commits on the disk, foreign keys enforced, and a page cache of 16 MiB at most."""
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
    """Have writes through ``connection`` fail, as on a full disk, where the file would outgrow ``max_bytes``."""
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA max_page_count = {max_bytes // page_bytes}")
