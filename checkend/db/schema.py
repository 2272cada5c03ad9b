"""The schema of the database: creating it, migrating it to the current version, or rejecting it.

A new database is created directly from the models. A database of an older version is copied and then migrated. One of a
newer version, and a file that is not a Checkend database, are rejected and left unchanged.
"""

import fcntl
import filecmp
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkend import clock
from checkend.db import instance_lock
from checkend.db.connection import DATABASE_FILE_NAME, LOCK_TIMEOUT_SECONDS, set_pragmas
from checkend.db.database_file import track
from checkend.db.errors import is_busy, is_inaccessible
from checkend.db.instance_lock import InstanceLock
from checkend.db.partial_files import partial_file, remove_stale, rename_into_place
from checkend.db.search import SEARCH_DDL
from checkend.db.session import db
from checkend.exceptions import CheckendError, StartupError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0012"
MIGRATIONS = Path(__file__).with_name("migrations")
OWN_TABLES = {"alembic_version", "apps", "problems", "notices"}


class IncompatibleDatabaseError(StartupError):
    """This version of Checkend cannot use the database; the message says why and what to do."""


def database_path(instance_path: Path) -> Path:
    """Return the path of the database file in an instance folder."""
    return instance_path / DATABASE_FILE_NAME


def create_or_migrate(path: Path) -> str:
    """Bring the database at ``path`` to the current version; return ``"created"``, ``"migrated"`` or ``"current"``.

    Several processes may do so at the same time. Raise `IncompatibleDatabaseError`, or `DatabaseInUseError` while a
    server of an older version runs.
    """
    if version(path) == HEAD:
        return "current"
    with _exclusive(path.with_suffix(".lock")):
        old_version = version(path)
        if old_version == HEAD:
            return "current"
        if old_version is None:
            try:
                _create(path)
            except (OSError, sqlite3.Error) as error:
                raise IncompatibleDatabaseError(f"{path} cannot be created: {error}.") from error
            return "created"
        _migrate(path, old_version)
        return "migrated"


def version(path: Path) -> str | None:
    """Return the schema version of the database; None if the file is missing or empty.

    Raise `IncompatibleDatabaseError` for a file that cannot be read, or is not a Checkend database.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        tables, row = _read_version(path, "mode=ro")
    except sqlite3.DatabaseError as error:
        return _read_version_alone(path, error)
    if not tables:
        return None
    if not row:
        raise IncompatibleDatabaseError(
            f"{path} is not a Checkend database. Move it away, or name another instance folder."
        )
    return str(row[0])


def _read_version(path: Path, mode: str) -> tuple[set[str], Any]:
    uri = f"{path.resolve().as_uri()}?{mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        is_ours = tables >= OWN_TABLES
        return tables, is_ours and connection.execute("SELECT version_num FROM alembic_version").fetchone()


def _read_version_alone(path: Path, error: sqlite3.DatabaseError) -> str:
    """Return the version of a database that could not be opened, with ``error``, if the reason is a full disk.

    On a full disk SQLite cannot create the write-ahead log and its index, but it can read the database file alone. A
    migration that is only in the log is not seen then; the version is never newer than the real one.

    Raise `IncompatibleDatabaseError` if that fails too.
    """
    if is_busy(error):
        raise IncompatibleDatabaseError(
            f"{path} is locked by another process. Try again, or end that process."
        ) from error
    if is_inaccessible(error):
        with suppress(sqlite3.DatabaseError):
            _, row = _read_version(path, "immutable=1")
            if row:
                return str(row[0])
    raise IncompatibleDatabaseError(
        f"{path} cannot be read ({error}). Restore a backup with `checkend db restore`, or move the file away."
    ) from error


def _create(path: Path) -> None:
    """Create the tables in one transaction, so that a start that is interrupted leaves no incomplete database."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        set_pragmas(connection)
        connection.execute("BEGIN IMMEDIATE")
        for statement in schema_statements():
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        connection.execute("COMMIT")


def schema_statements() -> Iterator[str]:
    """Yield the statements that create an empty database of the current version."""
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    import checkend.models  # noqa: F401 - its import fills the metadata

    dialect = sqlite.dialect()
    for table in db.metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))
    yield from SEARCH_DDL
    yield (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )


def alembic_config(path: Path) -> "Config":
    """Return the configuration with which Alembic migrates the database at ``path``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["database"] = path
    return config


def reject_unknown_version(path: Path, old_version: str | None) -> None:
    """Raise `IncompatibleDatabaseError` unless the database at ``path`` can be migrated from ``old_version``."""
    if old_version == HEAD:
        return
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(alembic_config(path))
    if old_version not in {script.revision for script in scripts.walk_revisions()}:
        raise IncompatibleDatabaseError(
            f"{path} has version {old_version}, which this Checkend (database version {HEAD}) does not know: it was "
            "written by a newer Checkend. Start that version, or restore a backup from before the upgrade."
        )


def _migrate(path: Path, old_version: str) -> None:
    reject_unknown_version(path, old_version)
    from alembic import command
    from sqlalchemy.exc import SQLAlchemyError

    with instance_lock.servers_excluded(path.parent):
        try:
            _copy_before_migrating(path)
            command.upgrade(alembic_config(path), "head")
        except (OSError, RuntimeError, sqlite3.Error, SQLAlchemyError) as error:
            raise IncompatibleDatabaseError(
                f"{path} could not be upgraded from version {old_version} to {HEAD}, and is unchanged: {error}"
            ) from error


def _copy_before_migrating(path: Path) -> None:
    """Keep a copy of the database, unless an earlier attempt that failed or was killed has left the same one."""
    name = f"{path.stem}.before-{HEAD}-"

    def reject_duplicate(copy: Path) -> None:
        if any(filecmp.cmp(copy, other, shallow=False) for other in path.parent.glob(f"{name}*{path.suffix}")):
            raise _SameCopyError

    with suppress(_SameCopyError):
        copy_database(path, path.with_name(f"{name}{clock.now():%Y%m%dT%H%M%SZ}{path.suffix}"), check=reject_duplicate)


class _SameCopyError(CheckendError):
    """There is an identical copy already."""


def copy_database(source: Path, target: Path, *, check: Callable[[Path], None] = lambda copy: None) -> None:
    """Copy a database, which may be in use, to ``target``, readable by its owner only. Replace ``target`` atomically.

    The copy is made in one read transaction: it does not block writers, and contains the commits up to its start.
    ``check`` is called with the complete copy before that replaces ``target``; an exception prevents the replacement.
    """
    with partial_file(target) as partial:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(partial)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
        check(partial)
        rename_into_place(partial, target)


def acquire_instance_lock(path: Path) -> InstanceLock:
    """Acquire the server's lock on a database at ``path`` of the current version.

    The version is checked while the lock is held, since another process may have migrated the database, or restored a
    backup, while this one waited. If it has changed, the lock is released for the migration and acquired again.

    Raise `IncompatibleDatabaseError` for a database of a newer version.
    """
    while True:
        lock = InstanceLock(path.parent)
        try:
            if version(path) == HEAD:
                remove_stale(path.parent)
                track(path)
                return lock
        except BaseException:
            lock.release()
            raise
        lock.release()
        create_or_migrate(path)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
