"""Restoring a backup: replacing the database by it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from checkend.db import instance_lock, integrity, schema, schema_check
from checkend.db.backup import file_kind, is_own_file
from checkend.db.connection import LOCK_TIMEOUT_SECONDS
from checkend.db.errors import is_busy
from checkend.db.schema import IncompatibleDatabaseError


def restore(source: Path, path: Path) -> str:
    """Replace the database at ``path`` by a copy of the backup ``source``, and return its version.

    Raise `IncompatibleDatabaseError` for a backup that is damaged, not a Checkend database or of a newer version, and
    `instance_lock.DatabaseInUseError` while a server runs. The database is unchanged then.
    """
    _reject_unusable_paths(source, path)

    def check(copy: Path) -> None:
        _reject_unsound(source, copy)
        _remove_log(path)

    with instance_lock.servers_excluded(path.parent):
        path.with_name("restoring.sqlite3").unlink(missing_ok=True)  # version 0.1.0 left it behind when it was killed
        schema.version(source)  # raises the error for a file that is not a database
        schema.copy_database(source, path, check=check)
        version = schema.version(path)
    assert version is not None  # the copy was checked
    return version


def _reject_unusable_paths(source: Path, path: Path) -> None:
    if not source.is_file():
        raise IncompatibleDatabaseError(f"{source} is not a regular file.")
    if is_own_file(source, path):
        raise IncompatibleDatabaseError(f"{source} belongs to the database that would be replaced. Name a backup.")
    if path.is_symlink():
        raise IncompatibleDatabaseError(
            f"{path} is a symbolic link to {path.resolve()}. Remove the link, then restore."
        )
    if path.exists() and not path.is_file():
        raise IncompatibleDatabaseError(f"{path} is {file_kind(path.lstat().st_mode)}. Move it away, then restore.")


def _reject_unsound(source: Path, copy: Path) -> None:
    version = schema.version(copy)
    if version is None:
        raise IncompatibleDatabaseError(f"{source} is empty: it contains no database.")
    schema.reject_unknown_version(source, version)
    if errors := integrity.find_corruption(copy):
        raise IncompatibleDatabaseError(f"{source} is damaged, so it was not restored. {' '.join(errors)}")
    if errors := schema_check.find_differences(copy, version):
        raise IncompatibleDatabaseError(
            f"{source} is not a Checkend database, so it was not restored. {' '.join(errors)}"
        )


def _remove_log(path: Path) -> None:
    """Checkpoint and delete the write-ahead log of the old database: SQLite would apply it to the new one.

    Raise sqlite3.OperationalError while another process has the old database locked.
    """
    if path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_SECONDS)) as old:
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:  # expected: a damaged database is a reason to restore a backup
            if is_busy(error):
                raise
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
