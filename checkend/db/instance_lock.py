"""Knowing whether a server uses an instance folder: each holds a lock there for as long as it runs.

Several servers on one store are safe: all that matters is in SQLite, and what a process remembers it checks against
the store. But the store must not be replaced or migrated under a running server, so both ask here first. The lock is
the operating system's (flock), so that it ends with its process however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from checkend.exceptions import StartupError

LOCK_FILE_NAME = "checkend.pid"


class DatabaseInUseError(StartupError):
    """A running server uses the store; the text says which, and what to do."""


class InstanceLock:
    """A server's hold on its instance folder. ``others`` are the process ids of those that hold it too."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / LOCK_FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.shared = not _try_alone(self._file)
        self.others = _running(self._file) if self.shared else []
        if not self.shared:
            os.ftruncate(self._file, 0)
        fcntl.flock(self._file, fcntl.LOCK_SH)  # waits only while a store is being restored or migrated
        with suppress(OSError):  # a full disk: the lock counts, the process id is only for messages
            os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go; no change when it was."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@contextmanager
def servers_excluded(folder: Path) -> Iterator[None]:
    """A block during which no server runs on ``folder``; one that starts meanwhile waits.

    Raises `DatabaseInUseError`.
    """
    file = os.open(folder / LOCK_FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if not _try_alone(file):
            raise DatabaseInUseError(
                f"A running server{format_processes(_running(file))} uses the store in {folder}. Stop it first."
            )
        yield
    finally:
        os.close(file)


def format_processes(processes: list[int]) -> str:
    """`` (process 12)``, or nothing for an empty list."""
    label = "process" if len(processes) == 1 else "processes"
    return f" ({label} {', '.join(map(str, processes))})" if processes else ""


def _try_alone(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _running(file: int) -> list[int]:
    """The processes noted in the file that still live; this one left out."""
    lines = os.pread(file, 65536, 0).decode("ascii", "replace").split()
    return [
        pid
        for pid in sorted({int(line) for line in lines if line.isdigit()} - {os.getpid()})
        if is_process_running(pid)
    ]


def is_process_running(pid: int) -> bool:
    """Return whether a process has the id ``pid``."""
    with suppress(ProcessLookupError, OverflowError):
        with suppress(PermissionError):  # another user's: it lives
            os.kill(pid, 0)
        return True
    return False
