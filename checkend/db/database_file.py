"""Notice when the database file, or its write-ahead log, is removed or replaced while this process has it open.

SQLite goes on with the file it has open, wherever that went: what is committed then is lost when the process ends. And
a write-ahead log that lies beside another database than its own is played into that one, which corrupts it.
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
    """The database file at ``path`` as it was when this object was made, and the connections that have it open."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self.uri = f"{Path(path).absolute().as_uri()}?mode=rw"  # a missing file is never created
        self._identity = _identity(self.path)
        resolved = os.path.realpath(self.path)  # where SQLite puts the files beside it
        self._side_paths = (f"{resolved}-wal", f"{resolved}-shm")
        self._side_identities: tuple[Identity, ...] | None = None
        self._connections: WeakSet[sqlite3.Connection] = WeakSet()
        self._lock = threading.RLock()
        self._next_look = 0.0
        self._rejecting = False

    @contextmanager
    def opening(self) -> Iterator["WeakSet[sqlite3.Connection]"]:
        """A block that opens a connection and adds it to the set. Raises `DatabaseReplacedError`.

        Opening and closing take turns: the connection closed last removes the write-ahead log, the first creates it.
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
        """A block that closes ``connection``."""
        with self._lock:
            yield
            self._connections.discard(connection)

    def check(self, connection: sqlite3.Connection) -> None:
        """Raise `DatabaseReplacedError` unless ``connection``, which is open, has open what lies at the path.

        Looks at the file each time (a microsecond or two), at the ones beside it once a second.
        """
        if _identity(self.path) == self._identity and not self._rejecting and time.monotonic() < self._next_look:
            return
        with self._lock:
            self._compare(connection)

    def _compare(self, connection: sqlite3.Connection | None) -> None:
        self._next_look = time.monotonic() + SIDE_FILES_EVERY_SECONDS
        if _identity(self.path) != self._identity:
            changed = self.path
        elif self._connections and self._side_identities not in (None, self._check_side_files()):
            changed = self._side_paths[0]
        else:
            if self._rejecting:
                self._rejecting = False
                log.info("the database file %s is back: requests are served again", self.path)
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
        what = f"{changed} was removed or replaced while the server was running. Every request gets 503, and nothing "
        what += "is written. "
        if changed != self.path:
            how = "Everything stored so far was written to the database file: restart the server."
            return what + (how if saved else "Stop the server with SIGTERM, not SIGKILL, so that it can save its data.")
        how = (
            f"The database file {what}If it was moved, move it back: the server then continues by itself. Otherwise "
            "stop the server, restore a backup with `checkend db restore`, and start the server again."
        )
        if still_open := self._still_open():
            how += f" Until the server stops, the removed database can be copied from {still_open}."
        return how

    def _still_open(self) -> str:
        """Where Linux shows a file that has no name any more but is still open; empty elsewhere."""
        with suppress(OSError):
            for number in os.listdir("/proc/self/fd"):
                with suppress(OSError):
                    found = os.stat(f"/proc/self/fd/{number}")
                    if (found.st_dev, found.st_ino) == self._identity and not found.st_nlink:
                        return f"/proc/{os.getpid()}/fd/{number}"
        return ""


def _identity(path: str) -> Identity:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _checkpoint(connection: sqlite3.Connection) -> bool:
    """Write the log of the file that ``connection`` has open into it, and empty the log; whether that was done.

    Everything acknowledged is then in one file, wherever that is now, and no log is left that could be played into
    another database at the same path.
    """
    with suppress(sqlite3.Error):
        (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {CHECKPOINT_SECONDS * 1000:.0f}")
        try:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.execute(f"PRAGMA busy_timeout = {before}")
        return not busy
    return False


_files: dict[str, DatabaseFile] = {}


def track(path: Path | str) -> DatabaseFile:
    """Take the file that lies at ``path`` now for the database, from here on."""
    file = _files[str(path)] = DatabaseFile(path)
    return file


def tracked(path: Path | str) -> DatabaseFile:
    """The file at ``path`` as it was tracked last, or from now on."""
    return _files.get(str(path)) or track(path)
