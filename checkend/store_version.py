"""Brings the store to the version that this code needs, or refuses it with a sentence.

A new store is made at once from the models. One from an older version is copied beside itself and then migrated;
one from a newer version, or a file that is no Checkend store, is refused and left as it is.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from checkend import clock
from checkend.extensions import FILE_NAME, SEARCH_DDL, db, set_pragmas

HEAD = "0001"
MIGRATIONS = Path(__file__).with_name("migrations")


class StoreRefused(Exception):
    """The store cannot be used by this version; the text says why and what to do."""


def store_path(instance_path: Path) -> Path:
    """Where the SQLite file of an instance folder lies."""
    return instance_path / FILE_NAME


def prepare(path: Path) -> str:
    """Make the store at ``path`` fit for this code: ``"created"``, ``"migrated"`` or ``"current"``.

    Safe when several processes start at once. Raises `StoreRefused`.
    """
    if _version(path) == HEAD:
        return "current"
    with _only_one(path.with_suffix(".lock")):
        version = _version(path)
        if version == HEAD:
            return "current"
        if version is None:
            _create(path)
            return "created"
        _migrate(path, version)
        return "migrated"


def _version(path: Path) -> str | None:
    """The schema version of the store; None when there is none yet."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                return None
            if "alembic_version" not in tables:
                raise StoreRefused(f"{path} is not a Checkend store. Move it away, or name another instance folder.")
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(row[0]) if row else None
    except sqlite3.DatabaseError as error:
        raise StoreRefused(
            f"{path} cannot be read ({error}). Restore a backup with `checkend db restore`, or move the file away."
        ) from error


def _create(path: Path) -> None:
    """Everything in one transaction: a start that is cut off leaves no half store."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        set_pragmas(connection)
        connection.execute("BEGIN IMMEDIATE")
        for statement in _schema():
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        connection.execute("COMMIT")


def _schema() -> Iterator[str]:
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


def _migrate(path: Path, version: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["store"] = path
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version not in known:
        raise StoreRefused(
            f"{path} is of version {version}, which this Checkend (store version {HEAD}) does not know: it was "
            "written by a newer one. Start that one, or restore a backup made before the upgrade."
        )
    copy_store(path, path.with_name(f"{path.stem}.before-{HEAD}-{clock.now():%Y%m%dT%H%M%SZ}{path.suffix}"))
    command.upgrade(config, "head")


def copy_store(source: Path, target: Path) -> None:
    """Copy a store, also one in use, to ``target``, which only its owner may read; complete or not there at all."""
    partial = target.with_name(target.name + ".partial")
    os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(partial)) as new:
            old.backup(new, pages=1024, sleep=0.005)
            new.execute("PRAGMA journal_mode = DELETE")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
