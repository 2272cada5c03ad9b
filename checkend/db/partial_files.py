"""Files that are written under a temporary name and renamed when complete, and removal of abandoned ones."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from checkend.db.instance_lock import is_process_running

SUFFIX = "checkend-partial"
_NAME = re.compile(r".+\.([0-9]+)\.checkend-partial(-wal|-shm|-journal)?")


@contextmanager
def partial_file(target: Path) -> Iterator[Path]:
    """Create an empty file next to ``target``, readable by its owner only; delete it at the end unless it was renamed.

    Files of processes that were killed are deleted first.
    """
    remove_stale(target.parent)
    path = target.with_name(f"{target.name}.{os.getpid()}.{SUFFIX}")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield path
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def remove_stale(folder: Path) -> None:
    """Delete the partial files in ``folder`` whose process has ended or, as in a container, had the id of this one."""
    for entry in os.scandir(folder):
        match = _NAME.fullmatch(entry.name)
        if not match or not entry.is_file(follow_symlinks=False):
            continue
        process_id = int(match[1])
        if process_id == os.getpid() or not is_process_running(process_id):
            with suppress(OSError):  # another process has just deleted it, or it belongs to another user
                os.unlink(entry.path)


def rename_into_place(partial: Path, target: Path) -> None:
    """Rename ``partial`` to ``target``, and sync both its content and its name to the disk."""
    _sync(partial)
    partial.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
