"""Rename slugs that consist only of digits: they hid the record with that id.

An app with the slug ``2024`` becomes ``app-2024``, or the first of ``app-2024-1``, ``app-2024-2`` … that is not taken.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

PREFIXES = {"apps": "app", "teams": "team", "users": "user"}


def upgrade() -> None:
    for table, prefix in PREFIXES.items():
        _rename(table, prefix)


def _rename(table: str, prefix: str) -> None:
    connection = op.get_bind()
    numeric = f"SELECT id, slug FROM {table} WHERE slug <> '' AND slug NOT GLOB '*[^0-9]*' ORDER BY id"
    for record_id, slug in connection.execute(sa.text(numeric)).all():
        free = _free_slug(connection, table, f"{prefix}-{slug}")
        connection.execute(sa.text(f"UPDATE {table} SET slug = :slug WHERE id = :id"), {"slug": free, "id": record_id})


def _free_slug(connection: sa.Connection, table: str, base: str) -> str:
    taken = set(connection.scalars(sa.text(f"SELECT slug FROM {table} WHERE slug LIKE :start"), {"start": f"{base}%"}))
    number, slug = 0, base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug
