"""Compare the schema of a database file with that of an empty database of the same version."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from checkend.db import schema

MAX_SHOWN = 20

Columns = set[tuple[str, str, int, int]]


def find_differences(path: Path, version: str) -> list[str]:
    """Return a message for each table, index, trigger and column that the database at ``path`` lacks.

    ``version`` is its version, and must be a known one. Additional tables and indexes are not errors.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        actual, actual_columns = _objects(database), _columns(database)
    expected, expected_columns = _expected(version)
    missing = sorted(expected - actual, key=lambda item: (item[0] != "table", item))  # tables say the most
    errors = [f"It has no {kind} {name}." for kind, name in missing]
    for table, columns in sorted(expected_columns.items()):
        if table in actual_columns and not columns <= actual_columns[table]:
            names = ", ".join(sorted(name for name, *_ in columns - actual_columns[table]))
            errors.append(f"Its table {table} lacks columns, or has other types for them: {names}.")
    more = [f"{len(errors) - MAX_SHOWN} more differences are not listed."] if len(errors) > MAX_SHOWN else []
    return errors[:MAX_SHOWN] + more


def _expected(version: str) -> tuple[set[tuple[str, str]], dict[str, Columns]]:
    if version == schema.HEAD:
        with closing(sqlite3.connect(":memory:")) as database:
            for statement in schema.schema_statements():
                database.execute(statement)
            return _objects(database), _columns(database)
    from alembic import command

    with TemporaryDirectory(prefix="checkend-schema-") as folder:
        path = Path(folder) / "empty.sqlite3"
        command.upgrade(schema.alembic_config(path), version)
        with closing(sqlite3.connect(path)) as database:
            return _objects(database), _columns(database)


def _objects(database: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(database.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


def _columns(database: sqlite3.Connection) -> dict[str, Columns]:
    tables = [name for kind, name in _objects(database) if kind == "table"]
    return {
        table: {
            (name, declared.upper(), required, key)
            for name, declared, required, key in database.execute(
                'SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (table,)
            )
        }
        for table in tables
    }
