"""The lock on an instance folder, which every running server holds.

Several servers may share a database: all state is in SQLite, and caches are validated against it. But the database
must not be replaced or migrated while a server runs, so both require the absence of this lock. It is a lock of the
operating system (flock), which is released when its process ends, even if that is killed.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from checkend.exceptions import StartupError

LOCK_FILE_NAME = "checkend.pid"


class DatabaseInUseError(StartupError):
    """A running server uses the database; the message names its process and what to do."""


class InstanceLock:
    """A server's lock on its instance folder. ``others`` are the process ids of other servers that hold it."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / LOCK_FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.shared = not _try_exclusive(self._file)
        self.others = _running(self._file) if self.shared else []
        if not self.shared:
            os.ftruncate(self._file, 0)
        fcntl.flock(self._file, fcntl.LOCK_SH)  # waits only while the database is being restored or migrated
        with suppress(OSError):  # a full disk: the process id is only needed for messages
            os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Release the lock; no change if it was released."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@contextmanager
def servers_excluded(folder: Path) -> Iterator[None]:
    """Keep servers from using ``folder`` during the block; one that starts meanwhile waits for its end.

    Raise `DatabaseInUseError` if a server is running.
    """
    file = os.open(folder / LOCK_FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if not _try_exclusive(file):
            raise DatabaseInUseError(
                f"A running server{format_processes(_running(file))} uses the database in {folder}. Stop it first."
            )
        yield
    finally:
        os.close(file)


def running_servers(folder: Path) -> list[int] | None:
    """Return the process ids of the servers that hold the lock on ``folder``, as far as known; None if none does."""
    try:
        file = os.open(folder / LOCK_FILE_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _try_exclusive(file) else _running(file)
    finally:
        os.close(file)


def format_processes(processes: list[int]) -> str:
    """Return `` (process 12)``, or an empty string for an empty list."""
    label = "process" if len(processes) == 1 else "processes"
    return f" ({label} {', '.join(map(str, processes))})" if processes else ""


def _try_exclusive(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _running(file: int) -> list[int]:
    """Return the ids of the running processes recorded in the file, without this one."""
    lines = os.pread(file, 65536, 0).decode("ascii", "replace").split()
    return [
        pid
        for pid in sorted({int(line) for line in lines if line.isdigit()} - {os.getpid()})
        if is_process_running(pid)
    ]


def is_process_running(pid: int) -> bool:
    """Return whether a process has the id ``pid``."""
    with suppress(ProcessLookupError, OverflowError):
        with suppress(PermissionError):  # the process belongs to another user, so it exists
            os.kill(pid, 0)
        return True
    return False
