"""Alembic's environment: migrates the SQLite file in one transaction."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

import checkend.models  # noqa: F401 - its import fills the metadata
from checkend.db.connection import DATABASE_FILE_NAME, set_pragmas
from checkend.db.session import UtcDateTime, db


def database_path() -> Path:
    """Return the file to migrate: the one that `checkend.db.schema` passes, or that of the app of ``flask db``."""
    path: Path | None = context.config.attributes.get("database")
    return path or Path(current_app.instance_path) / DATABASE_FILE_NAME


def is_ours(name: str | None, kind: str, parents: Any) -> bool:
    """Return whether autogenerate compares an object: the tables of the search index have no model."""
    return not (kind == "table" and str(name).startswith("problems_search"))


def render(kind: str, value: Any, autogen: Any) -> Any:
    """Render types of this package as database types, so that migrations do not depend on later code."""
    return "sa.BigInteger()" if kind == "type" and isinstance(value, UtcDateTime) else False


def migrate(raw: sqlite3.Connection) -> None:
    """Run the migrations with foreign keys off: rebuilding a table would delete the rows that refer to it."""
    set_pragmas(raw)
    raw.execute("PRAGMA foreign_keys = OFF")
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            transactional_ddl=True,
            render_as_batch=True,
            include_name=is_ours,
            render_item=render,
        )
        with context.begin_transaction():
            context.run_migrations()
            if violation := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise RuntimeError(f"a row of {violation[0]} would refer to one of {violation[2]} that does not exist")


if context.is_offline_mode():
    raise SystemExit("Migrations need a database; there is no offline mode.")
with closing(sqlite3.connect(database_path(), isolation_level=None)) as connection:
    migrate(connection)
