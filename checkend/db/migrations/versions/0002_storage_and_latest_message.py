"""Latest messages, a bounded search index, and the bytes that each app stores.

Changes to the rows of version 0001:

- ``problems.search_text`` is truncated to 1,000 characters, and includes the message of the latest notice if that
  differs from the first one; the search index is rebuilt from it.
- New columns: ``problems.latest_message`` (that message; NULL if it equals the first one), ``problems.search_pending``
  (0), ``backtraces.app_id`` (the app of the oldest notice that has the backtrace), ``apps.stored_bytes``.

Everything else is unchanged, longer messages included.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SEARCH_LENGTH, CLASS_LENGTH, MESSAGE_LENGTH = 1_000, 200, 2_000
UPDATE_TRIGGER = (
    "CREATE TRIGGER problems_search_update AFTER UPDATE OF search_text ON problems BEGIN "
    "INSERT INTO problems_search(problems_search, rowid, search_text) VALUES ('delete', old.id, old.search_text); "
    "INSERT INTO problems_search(rowid, search_text) VALUES (new.id, new.search_text); END"
)
LATEST = (
    "SELECT p.id, p.error_class, p.error_message, (SELECT n.own_error_message FROM notices n WHERE n.problem_id = p.id "
    "ORDER BY n.occurred_at DESC, n.id DESC LIMIT 1), length(p.search_text) FROM problems p WHERE p.id > ? "
    "ORDER BY p.id LIMIT 500"
)
BACKTRACE_APPS = (
    "UPDATE backtraces SET app_id = (SELECT p.app_id FROM notices n JOIN problems p ON p.id = n.problem_id "
    "WHERE n.backtrace_id = backtraces.id ORDER BY n.id LIMIT 1)"
)
STORED_BYTES = (
    "WITH noticed AS (SELECT p.app_id, sum(100 + length(n.payload) "
    "+ coalesce(length(CAST(n.own_error_class AS BLOB)), 0) "
    "+ coalesce(length(CAST(n.own_error_message AS BLOB)), 0)) AS total "
    "FROM notices n JOIN problems p ON p.id = n.problem_id GROUP BY p.app_id), "
    "traced AS (SELECT app_id, sum(length(packed)) AS total FROM backtraces GROUP BY app_id), "
    "shared AS (SELECT p.app_id, sum(30 + length(CAST(f.value AS BLOB))) AS total "
    "FROM problem_facets f JOIN problems p ON p.id = f.problem_id WHERE f.value <> '' GROUP BY p.app_id) "
    "UPDATE apps SET stored_bytes = coalesce((SELECT total FROM noticed WHERE app_id = apps.id), 0) "
    "+ coalesce((SELECT total FROM traced WHERE app_id = apps.id), 0) "
    "+ coalesce((SELECT total FROM shared WHERE app_id = apps.id), 0)"
)


def upgrade() -> None:
    op.add_column("problems", sa.Column("latest_message", sa.String(), nullable=True))
    op.add_column("problems", sa.Column("search_pending", sa.Boolean(), server_default=sa.text("0"), nullable=False))
    op.add_column("backtraces", sa.Column("app_id", sa.Integer(), nullable=True))
    op.add_column("apps", sa.Column("stored_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_index(
        "ix_problems_search_pending", "problems", ["id"], unique=False, sqlite_where=sa.text("search_pending")
    )
    run = op.get_bind().exec_driver_sql
    run(BACKTRACE_APPS)
    run(STORED_BYTES)
    run("DROP TRIGGER problems_search_update")
    after = 0
    while rows := run(LATEST, (after,)).fetchall():
        after = rows[-1][0]
        for problem_id, error_class, first, latest, length in rows:
            if latest is None and length <= SEARCH_LENGTH:
                continue
            run(
                "UPDATE problems SET latest_message = ?, search_text = ? WHERE id = ?",
                (latest and shorten(latest), search_text(error_class, first, latest), problem_id),
            )
    run("INSERT INTO problems_search(problems_search) VALUES ('rebuild')")
    run(UPDATE_TRIGGER)


def shorten(message: str) -> str:
    if len(message) <= MESSAGE_LENGTH:
        return message
    mark = f" [SHORTENED: {len(message)} characters in all]"
    return message[: MESSAGE_LENGTH - len(mark)] + mark


def fold(text: str) -> str:
    return text[:SEARCH_LENGTH].casefold().replace("\0", "")


def search_text(error_class: str, first_message: str, latest_message: str | None) -> str:
    head, first, latest = fold(error_class), fold(first_message), fold(latest_message or "")
    whole = "\n".join((head, first, latest) if latest else (head, first))
    if len(whole) <= SEARCH_LENGTH:
        return whole
    head = head[:CLASS_LENGTH]
    room = SEARCH_LENGTH - len(head) - 1
    if not latest:
        return f"{head}\n{first[:room]}"
    room -= 1
    first = first[: max(room // 2, room - len(latest))]
    return f"{head}\n{first}\n{latest[: room - len(first)]}"
