"""Detection of a database file, or write-ahead log, that is removed or replaced while this process has it open.

SQLite continues to use the file that it opened, even after it was moved or deleted: later commits are lost when the
process ends. And SQLite would apply a write-ahead log to any database of the same name, which corrupts a replacement.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

SIDE_FILES_EVERY_SECONDS = 1.0
CHECKPOINT_SECONDS = 1.0

Identity = tuple[int, int] | None  # device and inode; None for no such file

log = logging.getLogger("checkend.database")


class DatabaseReplacedError(sqlite3.OperationalError):
    """The file at the database's path is not the one that was opened. Nothing was read or written."""


class DatabaseFile:
    """The database file that was at ``path`` when this object was created, and the open connections to it."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self.uri = f"{Path(path).absolute().as_uri()}?mode=rw"  # a missing file is never created
        self._identity = _identity(self.path)
        resolved = os.path.realpath(self.path)  # SQLite creates its other files next to this one
        self._side_paths = (f"{resolved}-wal", f"{resolved}-shm")
        self._side_identities: tuple[Identity, ...] | None = None
        self._connections: WeakSet[sqlite3.Connection] = WeakSet()
        self._lock = threading.RLock()
        self._next_check = 0.0
        self._rejecting = False

    @contextmanager
    def opening(self) -> Iterator["WeakSet[sqlite3.Connection]"]:
        """Guard a block that opens a connection and adds it to the set. Raise `DatabaseReplacedError`.

        Opening and closing exclude each other. The last connection that closes deletes the write-ahead log, and the
        first that opens creates it: without the lock, a connection could record the identity of a log that another
        thread is about to delete, and would from then on report the new log as replaced.
        """
        with self._lock:
            self._compare(None)
            if not self._connections:
                self._side_identities = None
            yield self._connections
            if self._side_identities is None:
                self._side_identities = self._check_side_files()
            self._compare(None)

    @contextmanager
    def closing(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Guard a block that closes ``connection``."""
        with self._lock:
            yield
            self._connections.discard(connection)

    def check(self, connection: sqlite3.Connection) -> None:
        """Raise `DatabaseReplacedError` if the file at the path is not the one that ``connection`` has open.

        Checks the file itself each time, which takes 1 to 2 µs, and the log and its index once per second.
        """
        if _identity(self.path) == self._identity and not self._rejecting and time.monotonic() < self._next_check:
            return
        with self._lock:
            self._compare(connection)

    def _compare(self, connection: sqlite3.Connection | None) -> None:
        self._next_check = time.monotonic() + SIDE_FILES_EVERY_SECONDS
        if _identity(self.path) != self._identity:
            changed = self.path
        elif self._connections and self._side_identities not in (None, self._check_side_files()):
            changed = self._side_paths[0]
        else:
            if self._rejecting:
                self._rejecting = False
                log.info("the database file %s is back; serving requests again", self.path)
            return
        if not self._rejecting:
            self._rejecting = True
            log.error("%s", self._advice(changed, connection))
        raise DatabaseReplacedError(f"{changed} was removed or replaced while the server was running")

    def _check_side_files(self) -> tuple[Identity, ...]:
        return tuple(map(_identity, self._side_paths))

    def _advice(self, changed: str, connection: sqlite3.Connection | None) -> str:
        candidates = [connection] if connection is not None else list(self._connections)
        saved = any(map(_checkpoint, candidates))
        event = f"{changed} was removed or replaced while the server was running. Every request gets 503, and nothing "
        event += "is written. "
        if changed != self.path:
            advice = "Everything stored so far was written to the database file: restart the server."
            return event + (
                advice if saved else "Stop the server with SIGTERM, not SIGKILL, so that it can save its data."
            )
        advice = (
            f"The database file {event}If it was moved, move it back: the server then continues by itself. Otherwise "
            "stop the server, restore a backup with `checkend db restore`, and start the server again."
        )
        if still_open := self._still_open():
            advice += f" Until the server stops, the removed database can be copied from {still_open}."
        return advice

    def _still_open(self) -> str:
        """Return the path in /proc of a deleted file that is still open; "" on systems other than Linux."""
        with suppress(OSError):
            for number in os.listdir("/proc/self/fd"):
                with suppress(OSError):
                    status = os.stat(f"/proc/self/fd/{number}")
                    if (status.st_dev, status.st_ino) == self._identity and not status.st_nlink:
                        return f"/proc/{os.getpid()}/fd/{number}"
        return ""


def _identity(path: str) -> Identity:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _checkpoint(connection: sqlite3.Connection) -> bool:
    """Checkpoint and truncate the write-ahead log of the file that ``connection`` has open; return whether that worked.

    Then all commits are in one file, wherever it is now, and there is no log left that SQLite could apply to another
    database at the same path.
    """
    with suppress(sqlite3.Error):
        (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {CHECKPOINT_SECONDS * 1000:.0f}")
        try:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.execute(f"PRAGMA busy_timeout = {timeout}")
        return not busy
    return False


_files: dict[str, DatabaseFile] = {}


def track(path: Path | str) -> DatabaseFile:
    """Record the file that is at ``path`` now as the database."""
    file = _files[str(path)] = DatabaseFile(path)
    return file


def tracked(path: Path | str) -> DatabaseFile:
    """Return the recorded file at ``path``; record it if there is none."""
    return _files.get(str(path)) or track(path)
