"""The database and its rules, and the other Flask extensions.

SQLite's own SQL and transaction rules live here, in ``ingest/store.py`` and in ``ingest/tallies.py`` alone: write-ahead
log, every commit on the disk before it is acknowledged, one writer at a time, writers queueing fairly instead of
polling for the lock.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from flask import Flask, g, has_app_context, has_request_context
from flask.cli import ScriptInfo
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, BigInteger, ColumnElement, Connection, MetaData, column, event, func, or_, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from checkend import clock, read_deadline
from checkend.database_file import DatabaseFile, track, tracked
from checkend.fair_lock import FairLock

# For how many seconds commands and background threads wait for other writers, and for how many a request does: a page
# that cannot write says so while its reader is still there, and its thread serves the next request.
LOCK_TIMEOUT_SECONDS = 10.0
REQUEST_LOCK_SECONDS = 5.0
ASIDE_SECONDS = 0.25
FILE_NAME = "checkend.sqlite3"


class Base(DeclarativeBase):
    """Parent of all models; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# What was committed is shown as it was committed: reading it anew could meet the next request's change, or nothing.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, kept as whole microseconds since 1970: exact, eight bytes, ordered as numbers are."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else clock.to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else clock.from_micros(value)


def created_column() -> Any:
    """A column with the time its row was made."""
    return mapped_column(UtcDateTime, default=clock.now)


def updated_column() -> Any:
    """A column with the time its row was last changed through the ORM."""
    return mapped_column(UtcDateTime, default=clock.now, onupdate=clock.now)


_write_locks: dict[str, FairLock] = {}
_write_locks_guard = threading.Lock()


def _write_lock(path: str) -> FairLock:
    with _write_locks_guard:
        return _write_locks.setdefault(path, FairLock())


class StoreConnection(sqlite3.Connection):
    """A DBAPI connection that takes the process's write lock before SQLite's, and frees it when the writing ends.

    Other processes are kept apart by SQLite's own lock, with its busy time-out. Every transaction begins with a look
    whether the file at the database's path still is the one that is open.
    """

    def __init__(self, file: DatabaseFile, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = file
        self._write_lock = _write_lock(file.path)
        self._lock_timeout: float = kwargs.get("timeout", LOCK_TIMEOUT_SECONDS)
        self._holds = False

    def begin(self, *, writing: bool, patience: float | None = None, withdraw: bool = False) -> None:
        """Open a transaction; with ``writing`` as the only writer.

        Raises sqlite3.OperationalError when the lock did not become free in the connection's time-out, or in
        ``patience`` seconds, in all, and its subclass `DatabaseReplacedError` when the file was removed or replaced.
        ``withdraw`` is as in `FairLock.acquire`.
        """
        if not writing:
            self._file.check(self)
            self.execute("BEGIN")
            return
        timeout = self._lock_timeout if patience is None else patience
        began = time.monotonic()
        if not self._write_lock.acquire(timeout, withdraw=withdraw):
            raise sqlite3.OperationalError("database is locked")
        self._holds = True
        self._write_lock.blocked_since = now = time.monotonic()
        left = max(timeout - (now - began), 0)
        adjust = patience is not None or now - began > 0.05
        try:
            self._file.check(self)
            if adjust:
                self.execute(f"PRAGMA busy_timeout = {left * 1000:.0f}")
            self.execute("BEGIN IMMEDIATE")
            self._write_lock.blocked_since = None
        except BaseException:
            self._write_lock.blocked_since = None  # before the next thread has the lock
            self._free()
            raise
        finally:
            if adjust:
                self.execute(f"PRAGMA busy_timeout = {self._lock_timeout * 1000:.0f}")

    def commit(self) -> None:
        super().commit()
        self._free()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self._free()

    def close(self) -> None:
        try:
            with self._file.closing(self):
                super().close()
        finally:
            self._free()

    def _free(self) -> None:
        if self._holds:
            self._holds = False
            self._write_lock.release()


def connect(path: Path | str, timeout: float = LOCK_TIMEOUT_SECONDS) -> StoreConnection:
    """Open a DBAPI connection to the database file at ``path`` with the rules of this module set.

    ``timeout`` is for how many seconds it waits for other writers. Raises sqlite3.OperationalError for a file that does
    not exist, and its subclass `DatabaseReplacedError` for another one than this process has used so far.
    """
    file = tracked(path)
    with file.opening() as connections:
        connection = StoreConnection(
            file,
            file.uri,
            uri=True,
            isolation_level=None,
            timeout=timeout,
            check_same_thread=False,
            cached_statements=256,
        )
        set_pragmas(connection)
        # A database that was not in WAL mode, such as a backup, gets its log with the first read. `file` notes which
        # log belongs to the database, and would take one that appears later for a replaced one.
        connection.execute("PRAGMA schema_version")
        connections.add(connection)
    return connection


def set_pragmas(connection: sqlite3.Connection) -> None:
    """WAL, commits on the disk, foreign keys enforced, and a page cache of 16 MiB at most."""
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -16384",
        "journal_size_limit = 67108864",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def limit_size(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Have writes through ``connection`` fail, as on a full disk, where the file would outgrow ``max_bytes``."""
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA max_page_count = {max_bytes // page_bytes}")


# The text search: an index of every run of three characters in problems.search_text, kept by triggers.
SEARCH_DDL = (
    "CREATE VIRTUAL TABLE problems_search USING fts5("
    "search_text, content='problems', content_rowid='id', tokenize='trigram case_sensitive 1')",
    "CREATE TRIGGER problems_search_insert AFTER INSERT ON problems BEGIN "
    "INSERT INTO problems_search(rowid, search_text) VALUES (new.id, new.search_text); END",
    "CREATE TRIGGER problems_search_delete AFTER DELETE ON problems BEGIN "
    "INSERT INTO problems_search(problems_search, rowid, search_text) VALUES ('delete', old.id, old.search_text); END",
    "CREATE TRIGGER problems_search_update AFTER UPDATE OF search_text ON problems BEGIN "
    "INSERT INTO problems_search(problems_search, rowid, search_text) VALUES ('delete', old.id, old.search_text); "
    "INSERT INTO problems_search(rowid, search_text) VALUES (new.id, new.search_text); END",
)
_PENDING_MATCHES = "SELECT id FROM problems WHERE search_pending AND instr(fold(latest_message), :folded) > 0"
_INDEXED_LENGTH = 3
_PHRASE_LENGTH = 32  # looked up in the index, which costs as much for each further character; the rest is compared
MAX_SEARCH = 200  # characters that are searched for: the cost of a search grows with their number


def fold(text: str) -> str:
    """``text`` as it is searched: case folded, and without null characters, which end a text for SQLite."""
    return text.casefold().replace("\0", "")


def contains_text(id_column: Any, folded_column: Any, wanted: str) -> ColumnElement[bool]:
    """A condition on problems: they contain ``wanted``, in any case, every character for itself.

    Only the first `MAX_SEARCH` characters of ``wanted`` count. From three characters on the index of `SEARCH_DDL`
    answers; shorter ones are looked for row by row. The few latest messages that are not in the index yet are always
    looked through.
    """
    folded = fold(wanted[:MAX_SEARCH])
    if len(folded) < _INDEXED_LENGTH:
        pending = text(_PENDING_MATCHES).bindparams(folded=folded).columns(column("id"))
        return or_(func.instr(folded_column, folded) > 0, id_column.in_(pending))
    matches = text(
        "SELECT rowid FROM problems_search WHERE search_text MATCH :phrase AND instr(search_text, :folded) > 0 "
        f"UNION ALL {_PENDING_MATCHES}"
    ).bindparams(phrase='"' + folded[:_PHRASE_LENGTH].replace('"', '""') + '"', folded=folded)
    return cast("ColumnElement[bool]", id_column.in_(matches.columns(column("rowid"))))


def init_database(app: Flask, path: Path) -> None:
    """Bind ``db`` to the SQLite file at ``path``. The file itself is made by `checkend.store_version.prepare`."""
    track(path)
    app.config["SQLALCHEMY_DATABASE_URI"] = URL.create("sqlite", database=str(path))
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "creator": lambda: connect(path, REQUEST_LOCK_SECONDS),
        "pool_size": 16,
        "max_overflow": 112,
        "hide_parameters": True,  # values of failed statements would end up in the log
    }
    db.init_app(app)
    with app.app_context():
        event.listen(db.engine, "connect", _add_functions)
        event.listen(db.engine, "begin", _begin)
        read_deadline.register(db.engine)


def _add_functions(connection: sqlite3.Connection, record: Any) -> None:
    connection.create_function("fold", 1, lambda value: value and fold(value), deterministic=True)


def _begin(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, StoreConnection)
    in_app = has_app_context()
    in_request = has_request_context()
    patience = g.get("patience") if in_app else None
    if patience is None and not in_request:
        patience = LOCK_TIMEOUT_SECONDS
    raw.begin(writing=bool(in_app and g.get("writing")), patience=patience, withdraw=in_request)


def begin_writing() -> None:
    """From here to the end of the app context the session's transactions are for writing: BEGIN IMMEDIATE.

    Ends the reading transaction under way, if any; what was loaded is loaded again on its next use.
    """
    if not g.get("writing"):
        db.session.rollback()
        g.writing = True


def commit() -> None:
    """Commit what the session has written; from here on it reads, and holds up no other writer."""
    db.session.commit()
    g.writing = False


@contextmanager
def write_aside() -> Iterator[Connection]:
    """A writing transaction of its own, committed at the end, while the session goes on reading.

    For notes that a read makes on its way: it waits for other writers only `ASIDE_SECONDS`, then raises
    sqlalchemy.exc.OperationalError or sqlite3.OperationalError. Where the session writes already, its own transaction,
    committed with the rest.
    """
    if g.get("writing"):
        yield db.session.connection()
        return
    g.writing, g.patience = True, ASIDE_SECONDS
    try:
        with db.engine.begin() as connection:
            yield connection
    finally:
        g.writing, g.patience = False, None


@event.listens_for(Session, "before_flush")
def _refuse_stray_writes(session: Session, *_: Any) -> None:
    # A reading transaction that turns to writing fails at random under load (SQLITE_BUSY_SNAPSHOT).
    changed = session.new or session.deleted or any(session.is_modified(item) for item in session.dirty)
    if changed and has_app_context() and not g.get("writing"):
        raise RuntimeError("the session writes without begin_writing()")


def register_flask_db(app: Flask, migrations: Path) -> None:
    """Give developers ``flask --app wsgi db …``. Only that command line pays for importing Alembic."""
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, ScriptInfo):
        from flask_migrate import Migrate

        Migrate(app, db, directory=str(migrations))
