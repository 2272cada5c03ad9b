"""Integrity checks: the pages of the file, foreign keys, and maintained counters compared with the rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

MAX_SHOWN = 20

# Error messages, each with a statement that returns the rows that violate the rule.
COUNTS = (
    (
        "app {} counts {} problems, but has {}",
        "SELECT slug, problems_count, n FROM (SELECT a.slug, a.problems_count, (SELECT count(*) FROM problems p "
        "WHERE p.app_id = a.id) AS n FROM apps a) WHERE problems_count <> n",
    ),
    (
        "app {} counts {} unresolved problems, but has {}",
        "SELECT slug, unresolved_problems_count, n FROM (SELECT a.slug, a.unresolved_problems_count, (SELECT count(*) "
        "FROM problems p WHERE p.app_id = a.id AND p.status = 'unresolved') AS n FROM apps a) "
        "WHERE unresolved_problems_count <> n",
    ),
    (
        "app {} counts {} muted problems, but has {}",
        "SELECT slug, muted_problems_count, n FROM (SELECT a.slug, a.muted_problems_count, (SELECT count(*) "
        "FROM problems p WHERE p.app_id = a.id AND p.muted_at IS NOT NULL) AS n FROM apps a) "
        "WHERE muted_problems_count <> n",
    ),
    (  # "<", not "<>": retention removes notices, but the count includes all that were ever stored
        "problem {} counts {} notices, but has {}",
        "SELECT id, notices_count, n FROM (SELECT p.id, p.notices_count, (SELECT count(*) FROM notices n "
        "WHERE n.problem_id = p.id) AS n FROM problems p) WHERE notices_count < n",
    ),
    (
        "problem {} counts {} occurrences, but its hours contain {}",
        "SELECT id, total, n FROM (SELECT p.id, p.notices_count + p.deduplicated_count AS total, "
        "(SELECT coalesce(sum(h.count), 0) FROM problem_hours h WHERE h.problem_id = p.id) AS n FROM problems p) "
        "WHERE total < n",
    ),
    (  # the same sum as `checkend.models.storage` defines
        "app {} counts {} stored bytes, but its notices, backtraces, facet values and hours take {}",
        "WITH noticed AS (SELECT p.app_id, sum(100 + length(n.payload) "
        "+ coalesce(length(CAST(n.own_error_class AS BLOB)), 0) "
        "+ coalesce(length(CAST(n.own_error_message AS BLOB)), 0)) AS total "
        "FROM notices n JOIN problems p ON p.id = n.problem_id GROUP BY p.app_id), "
        "traced AS (SELECT app_id, sum(length(packed)) AS total FROM backtraces GROUP BY app_id), "
        "shared AS (SELECT p.app_id, sum(30 + length(CAST(f.value AS BLOB))) AS total "
        "FROM problem_facets f JOIN problems p ON p.id = f.problem_id WHERE f.value <> '' GROUP BY p.app_id), "
        "charted AS (SELECT p.app_id, 35 * count(*) AS total "
        "FROM problem_hours h JOIN problems p ON p.id = h.problem_id GROUP BY p.app_id) "
        "SELECT slug, stored_bytes, n FROM (SELECT a.slug, a.stored_bytes, "
        "coalesce(noticed.total, 0) + coalesce(traced.total, 0) + coalesce(shared.total, 0) "
        "+ coalesce(charted.total, 0) AS n FROM apps a "
        "LEFT JOIN noticed ON noticed.app_id = a.id LEFT JOIN traced ON traced.app_id = a.id "
        "LEFT JOIN shared ON shared.app_id = a.id LEFT JOIN charted ON charted.app_id = a.id) "
        "WHERE stored_bytes <> n",
    ),
)


def find_corruption(path: Path) -> list[str]:
    """Return a message for each error in the file itself."""
    try:
        with closing(_open(path)) as database:
            results = [result for (result,) in database.execute(f"PRAGMA integrity_check({MAX_SHOWN})")]
            errors = [f"The file is damaged: {result}." for result in results if results != ["ok"]]
            for table, row_id, parent, _ in database.execute("PRAGMA foreign_key_check").fetchmany(MAX_SHOWN):
                errors.append(f"Row {row_id} of {table} refers to a row of {parent} that does not exist.")
            return errors
    except sqlite3.DatabaseError as error:
        return [f"The file cannot be read: {error}."]


def find_wrong_counters(path: Path) -> list[str]:
    """Return a message for each counter that differs from its rows. The file itself must be intact."""
    with closing(_open(path)) as database:
        database.execute("BEGIN")
        return [
            message.format(*row).capitalize() + "."
            for message, statement in COUNTS
            for row in database.execute(statement).fetchmany(MAX_SHOWN)
        ]


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
