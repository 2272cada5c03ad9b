"""Brings the store to the version that this code needs, or refuses it with a sentence.

A new store is made at once from the models. One from an older version is copied beside itself and then migrated;
one from a newer version, or a file that is no Checkend store, is refused and left as it is.
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
from checkend.db.instance_lock import InstanceLock
from checkend.db.partial_files import partial_file, remove_stale, rename_into_place
from checkend.db.search import SEARCH_DDL
from checkend.db.session import db
from checkend.exceptions import CheckendError, StartupError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0005"
MIGRATIONS = Path(__file__).with_name("migrations")
OWN_TABLES = {"alembic_version", "apps", "problems", "notices"}


class IncompatibleDatabaseError(StartupError):
    """The store cannot be used by this version; the text says why and what to do."""


def database_path(instance_path: Path) -> Path:
    """Where the SQLite file of an instance folder lies."""
    return instance_path / DATABASE_FILE_NAME


def create_or_migrate(path: Path) -> str:
    """Make the store at ``path`` fit for this code: ``"created"``, ``"migrated"`` or ``"current"``.

    Safe when several processes start at once. Raises `IncompatibleDatabaseError`, and `DatabaseInUseError` where an
    older server runs.
    """
    if version(path) == HEAD:
        return "current"
    with _only_one(path.with_suffix(".lock")):
        found = version(path)
        if found == HEAD:
            return "current"
        if found is None:
            try:
                _create(path)
            except (OSError, sqlite3.Error) as error:
                raise IncompatibleDatabaseError(f"{path} cannot be created: {error}.") from error
            return "created"
        _migrate(path, found)
        return "migrated"


def version(path: Path) -> str | None:
    """The schema version of the store; None when there is none yet.

    Raises `IncompatibleDatabaseError` for any other file.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        tables, row = _read_version(path, "mode=ro")
    except sqlite3.DatabaseError as error:
        return _version_despite(error, path)
    if not tables:
        return None
    if not row:
        raise IncompatibleDatabaseError(
            f"{path} is not a Checkend store. Move it away, or name another instance folder."
        )
    return str(row[0])


def _read_version(path: Path, mode: str) -> tuple[set[str], Any]:
    uri = f"{path.resolve().as_uri()}?{mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        known = tables >= OWN_TABLES
        return tables, known and connection.execute("SELECT version_num FROM alembic_version").fetchone()


def _version_despite(error: sqlite3.DatabaseError, path: Path) -> str:
    """The version of a store that cannot be opened, if that is only for want of room.

    Raises `IncompatibleDatabaseError`. On a full disk SQLite cannot make the files that it needs beside the store. It
    can still read the store alone; what is only in the write-ahead log does not count then, but no version ever goes
    back to an earlier one.
    """
    name = str(getattr(error, "sqlite_errorname", ""))
    if name.startswith("SQLITE_BUSY"):
        raise IncompatibleDatabaseError(
            f"{path} is locked by another process. Try again, or end that process."
        ) from error
    if name.startswith(("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN")):
        with suppress(sqlite3.DatabaseError):
            _, row = _read_version(path, "immutable=1")
            if row:
                return str(row[0])
    raise IncompatibleDatabaseError(
        f"{path} cannot be read ({error}). Restore a backup with `checkend db restore`, or move the file away."
    ) from error


def _create(path: Path) -> None:
    """Everything in one transaction: a start that is cut off leaves no half store."""
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
    """The statements that make an empty store of this version."""
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
    """What Alembic needs to know to migrate the store at ``path``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["store"] = path
    return config


def reject_unknown_version(path: Path, found: str | None) -> None:
    """Raises `IncompatibleDatabaseError` unless ``found``, the version of the store at ``path``, can be brought to
    `HEAD`.
    """
    if found == HEAD:
        return
    from alembic.script import ScriptDirectory

    if found not in {script.revision for script in ScriptDirectory.from_config(alembic_config(path)).walk_revisions()}:
        raise IncompatibleDatabaseError(
            f"{path} is of version {found}, which this Checkend (store version {HEAD}) does not know: it was "
            "written by a newer one. Start that one, or restore a backup made before the upgrade."
        )


def _migrate(path: Path, found: str) -> None:
    reject_unknown_version(path, found)
    from alembic import command
    from sqlalchemy.exc import SQLAlchemyError

    with instance_lock.servers_excluded(path.parent):
        try:
            _copy_before_migrating(path)
            command.upgrade(alembic_config(path), "head")
        except (OSError, RuntimeError, sqlite3.Error, SQLAlchemyError) as error:
            raise IncompatibleDatabaseError(
                f"{path} could not be upgraded from version {found} to {HEAD}, and is as it was: {error}"
            ) from error


def _copy_before_migrating(path: Path) -> None:
    """Keep a copy of the database beside it, unless an attempt that failed or was killed has left the same one."""
    name = f"{path.stem}.before-{HEAD}-"

    def reject_known(copy: Path) -> None:
        if any(filecmp.cmp(copy, other, shallow=False) for other in path.parent.glob(f"{name}*{path.suffix}")):
            raise _SameCopyError

    with suppress(_SameCopyError):
        copy_database(path, path.with_name(f"{name}{clock.now():%Y%m%dT%H%M%SZ}{path.suffix}"), check=reject_known)


class _SameCopyError(CheckendError):
    """There is such a copy already."""


def copy_database(source: Path, target: Path, *, check: Callable[[Path], None] = lambda copy: None) -> None:
    """Copy a store, also one in use, to ``target``, which only its owner may read; complete or not there at all.

    One step in one reading transaction: writers go on meanwhile, and the copy holds what was committed at its start.
    ``check`` is called with the complete copy before that replaces ``target``, which it prevents by raising.
    """
    with partial_file(target) as partial:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(partial)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
        check(partial)
        rename_into_place(partial, target)


def acquire_instance_lock(path: Path) -> InstanceLock:
    """Take the server's lock, once the store at ``path`` has this code's version while nothing can replace it.

    While this process waited for the lock, another one may have migrated the store, or put a backup in its place.
    Raises `IncompatibleDatabaseError` for a store of a newer version.
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
def _only_one(path: Path) -> Iterator[None]:
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
