"""The SQLAlchemy session, the base class of the models, and their column types.

The rules of transactions: write-ahead log, every commit on the disk before it is acknowledged, one writer at a time,
and writers that wait in line instead of polling for the lock.
"""

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import Flask, g, has_app_context, has_request_context
from flask.cli import ScriptInfo
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, BigInteger, Connection, MetaData, event
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from checkend import clock
from checkend.db import read_deadline
from checkend.db.connection import LOCK_TIMEOUT_SECONDS, DatabaseConnection, connect
from checkend.db.database_file import track
from checkend.db.search import fold

REQUEST_LOCK_SECONDS = 5.0


class Base(DeclarativeBase):
    """Base class of all models. Constraints have fixed names, so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# Objects keep their values after a commit: loading them again could return another request's change, or fail because
# the row has been deleted.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, stored as microseconds since 1970: exact, eight bytes, and ordered as integers are."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else clock.to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else clock.from_micros(value)


def created_column() -> Any:
    """Return a column for the time at which the row was created."""
    return mapped_column(UtcDateTime, default=clock.now)


def updated_column() -> Any:
    """Return a column for the time at which the row was last changed through the ORM."""
    return mapped_column(UtcDateTime, default=clock.now, onupdate=clock.now)


def init_database(app: Flask, path: Path) -> None:
    """Bind ``db`` to the SQLite file at ``path``, which `checkend.db.schema.create_or_migrate` creates."""
    track(path)
    app.config["SQLALCHEMY_DATABASE_URI"] = URL.create("sqlite", database=str(path))
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "creator": lambda: connect(path, REQUEST_LOCK_SECONDS),
        "pool_size": 16,
        "max_overflow": 112,
        "hide_parameters": True,  # the values of failed statements would otherwise be logged
    }
    db.init_app(app)
    with app.app_context():
        event.listen(db.engine, "connect", _add_fold)
        event.listen(db.engine, "begin", _begin)
        read_deadline.register(db.engine)


def _add_fold(connection: sqlite3.Connection, record: Any) -> None:
    connection.create_function("fold", 1, lambda value: value and fold(value), deterministic=True)


def _begin(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, DatabaseConnection)
    in_app = has_app_context()
    in_request = has_request_context()
    timeout_seconds = g.get("timeout_seconds") if in_app else None
    if timeout_seconds is None and not in_request:
        timeout_seconds = LOCK_TIMEOUT_SECONDS
    raw.begin(writing=bool(in_app and g.get("writing")), timeout_seconds=timeout_seconds, withdraw=in_request)


@event.listens_for(Session, "before_flush")
def _reject_unlocked_writes(session: Session, *_: Any) -> None:
    # A read transaction that begins to write fails at random under load (SQLITE_BUSY_SNAPSHOT), because another process
    # may have written since it began to read.
    changed = session.new or session.deleted or any(session.is_modified(item) for item in session.dirty)
    if changed and has_app_context() and not g.get("writing"):
        raise RuntimeError("the session writes outside of a write_transaction()")


def register_flask_db(app: Flask, migrations: Path) -> None:
    """Provide ``flask --app wsgi db …`` for developers. Alembic is imported only if that is the command line."""
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, ScriptInfo):
        from flask_migrate import Migrate

        Migrate(app, db, directory=str(migrations))
