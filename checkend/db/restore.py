"""Putting a backup in the place of the store."""

import sqlite3
from contextlib import closing
from pathlib import Path

from checkend.db import instance_lock, integrity, schema, schema_check
from checkend.db.backup import file_kind, is_own_file
from checkend.db.connection import LOCK_TIMEOUT_SECONDS
from checkend.db.schema import IncompatibleDatabaseError


def restore(source: Path, path: Path) -> str:
    """Replace the store at ``path`` by the backup ``source``, and return its version; ``source`` stays as it is.

    Raises `IncompatibleDatabaseError` for a backup that is damaged, no Checkend store or of a newer version, and
    `instance_lock.DatabaseInUseError` while a server runs. Then the store is as it was.
    """
    _reject_place(source, path)

    def check(copy: Path) -> None:
        _reject_unsound(source, copy)
        _leave_no_log(path)

    with instance_lock.servers_excluded(path.parent):
        path.with_name("restoring.sqlite3").unlink(missing_ok=True)  # as 0.1.0 left it behind when it was killed
        schema.version(source)  # for the sentence about a file that is no store
        schema.copy_database(source, path, check=check)
        found = schema.version(path)
    assert found is not None  # it was checked
    return found


def _reject_place(source: Path, path: Path) -> None:
    if not source.is_file():
        raise IncompatibleDatabaseError(f"{source} is not a regular file.")
    if is_own_file(source, path):
        raise IncompatibleDatabaseError(f"{source} belongs to the store that would be replaced. Name a backup.")
    if path.is_symlink():
        raise IncompatibleDatabaseError(
            f"{path} is a symbolic link to {path.resolve()}. Remove the link, then restore."
        )
    if path.exists() and not path.is_file():
        raise IncompatibleDatabaseError(f"{path} is {file_kind(path.lstat().st_mode)}. Move it away, then restore.")


def _reject_unsound(source: Path, copy: Path) -> None:
    found = schema.version(copy)
    if found is None:
        raise IncompatibleDatabaseError(f"{source} is empty: it holds no store.")
    schema.reject_unknown_version(source, found)
    if errors := integrity.find_corruption(copy):
        raise IncompatibleDatabaseError(f"{source} is not sound, so it was not restored. {' '.join(errors)}")
    if errors := schema_check.find_differences(copy, found):
        raise IncompatibleDatabaseError(f"{source} is not a Checkend store, so it was not restored. {' '.join(errors)}")


def _leave_no_log(path: Path) -> None:
    """The write-ahead log of the old store must not be played into the new one: write it back, or drop it.

    Raises sqlite3.OperationalError while another process has the old store locked.
    """
    if path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_SECONDS)) as old:
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:  # a damaged store is why one restores
            if str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY"):
                raise
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
