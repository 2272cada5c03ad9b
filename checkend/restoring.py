"""Putting a backup in the place of the store."""

import sqlite3
from contextlib import closing
from pathlib import Path

from checkend import extensions, server_lock, store_check, store_schema, store_version
from checkend.backup import is_own_file, kind_of
from checkend.store_version import StoreRefused


def restore(source: Path, path: Path) -> str:
    """Replace the store at ``path`` by the backup ``source``, and return its version; ``source`` stays as it is.

    Raises `StoreRefused` for a backup that is damaged, no Checkend store or of a newer version, and
    `server_lock.StoreInUse` while a server runs. Then the store is as it was.
    """
    _reject_place(source, path)

    def check(copy: Path) -> None:
        _reject_unsound(source, copy)
        _leave_no_log(path)

    with server_lock.no_server(path.parent):
        path.with_name("restoring.sqlite3").unlink(missing_ok=True)  # as 0.1.0 left it behind when it was killed
        store_version.version(source)  # for the sentence about a file that is no store
        store_version.copy_store(source, path, check=check)
        found = store_version.version(path)
    assert found is not None  # it was checked
    return found


def _reject_place(source: Path, path: Path) -> None:
    if not source.is_file():
        raise StoreRefused(f"{source} is not a regular file.")
    if is_own_file(source, path):
        raise StoreRefused(f"{source} belongs to the store that would be replaced. Name a backup.")
    if path.is_symlink():
        raise StoreRefused(f"{path} is a symbolic link to {path.resolve()}. Remove the link, then restore.")
    if path.exists() and not path.is_file():
        raise StoreRefused(f"{path} is {kind_of(path.lstat().st_mode)}. Move it away, then restore.")


def _reject_unsound(source: Path, copy: Path) -> None:
    found = store_version.version(copy)
    if found is None:
        raise StoreRefused(f"{source} is empty: it holds no store.")
    store_version.refuse_unknown(source, found)
    if errors := store_check.damage(copy):
        raise StoreRefused(f"{source} is not sound, so it was not restored. {' '.join(errors)}")
    if errors := store_schema.differences(copy, found):
        raise StoreRefused(f"{source} is not a Checkend store, so it was not restored. {' '.join(errors)}")


def _leave_no_log(path: Path) -> None:
    """The write-ahead log of the old store must not be played into the new one: write it back, or drop it.

    Raises sqlite3.OperationalError while another process has the old store locked.
    """
    if path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=extensions.LOCK_TIMEOUT_SECONDS)) as old:
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:  # a damaged store is why one restores
            if str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY"):
                raise
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
