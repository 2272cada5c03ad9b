"""Putting a backup in the place of the store."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from checkend import server_lock, store_check, store_version
from checkend.store_version import StoreRefused


def restore(source: Path, path: Path) -> str:
    """Replace the store at ``path`` by the backup ``source``, and return its version; ``source`` stays as it is.

    Raises `StoreRefused` for a backup that is damaged, no Checkend store or of a newer version, and
    `server_lock.StoreInUse` while a server runs. Then the store is as it was.
    """
    draft = path.with_name("restoring.sqlite3")
    with server_lock.no_server(path.parent):
        draft.unlink(missing_ok=True)
        try:
            store_version.version(source)  # for the sentence about a file that is no store
            store_version.copy_store(source, draft)
            found = _sound_version(source, draft)
            _leave_no_log(path)
            store_version.put_in_place(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return found


def _sound_version(source: Path, draft: Path) -> str:
    found = store_version.version(draft)
    if found is None:
        raise StoreRefused(f"{source} is empty: it holds no store.")
    store_version.refuse_unknown(source, found)
    if faults := store_check.damage(draft):
        raise StoreRefused(f"{source} is not sound, so it was not restored. {' '.join(faults)}")
    return found


def _leave_no_log(path: Path) -> None:
    """The write-ahead log of the old store must not be played into the new one: write it back, or drop it."""
    if path.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as old:  # a damaged store is why one restores
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
