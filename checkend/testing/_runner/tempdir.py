"""The temporary folder of a fixture's store, and the removal of those that killed processes have left."""

import os
import shutil
import tempfile
from pathlib import Path

from checkend import clock
from checkend.db import instance_lock

PREFIX = f"checkend-fixture-{os.getuid()}-"
# Younger ones may belong to a server that is just starting and does not hold its lock yet.
LEFT_AFTER_SECONDS = 60


def make() -> Path:
    """A new folder for a store; those that nobody uses any more are removed."""
    remove_left()
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def remove(folder: Path) -> None:
    """Remove a fixture's folder with all that is in it; no change when it is gone."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_left() -> None:
    """Remove the folders of servers whose process was killed before it could."""
    oldest = clock.now().timestamp() - LEFT_AFTER_SECONDS
    for entry in os.scandir(tempfile.gettempdir()):
        if entry.name.startswith(PREFIX) and _is_left(entry, oldest):
            remove(Path(entry.path))


def _is_left(entry: os.DirEntry[str], oldest: float) -> bool:
    try:
        if not entry.is_dir(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_mtime > oldest:
            return False
        with instance_lock.servers_excluded(Path(entry.path)):
            return True
    except (OSError, instance_lock.DatabaseInUseError):  # another process removes it at this moment, or uses it
        return False
