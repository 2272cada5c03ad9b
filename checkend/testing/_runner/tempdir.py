"""Temporary folders for the databases of fixtures, including removal of those left behind by killed processes."""

import os
import shutil
import tempfile
from pathlib import Path

from checkend import clock
from checkend.db import instance_lock

PREFIX = f"checkend-fixture-{os.getuid()}-"
# A younger folder may belong to a server that is starting and has not acquired its lock yet.
ABANDONED_AFTER_SECONDS = 60


def create() -> Path:
    """Create a folder for a database, after removing abandoned ones."""
    remove_abandoned()
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def remove(folder: Path) -> None:
    """Remove a folder with its contents; does nothing if it does not exist."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove the folders of servers whose process was killed before it could remove them."""
    newest_abandoned = clock.now().timestamp() - ABANDONED_AFTER_SECONDS
    for entry in os.scandir(tempfile.gettempdir()):
        if entry.name.startswith(PREFIX) and _is_abandoned(entry, newest_abandoned):
            remove(Path(entry.path))


def _is_abandoned(entry: os.DirEntry[str], newest_abandoned: float) -> bool:
    try:
        if not entry.is_dir(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_mtime > newest_abandoned:
            return False
        with instance_lock.servers_excluded(Path(entry.path)):
            return True
    except (OSError, instance_lock.DatabaseInUseError):  # another process is removing it, or using it
        return False
