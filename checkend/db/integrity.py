"""Whether a store is sound: its pages, its references, and its kept counts against its rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

MAX_SHOWN = 20

# What must hold, each with a statement that finds the rows for which it does not.
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
    (  # not "equal": retention removes notices, and the count of those ever stored stays
        "problem {} counts {} notices, but has {}",
        "SELECT id, notices_count, n FROM (SELECT p.id, p.notices_count, (SELECT count(*) FROM notices n "
        "WHERE n.problem_id = p.id) AS n FROM problems p) WHERE notices_count < n",
    ),
    (
        "problem {} counts {} occurrences, but its hours hold {}",
        "SELECT id, total, n FROM (SELECT p.id, p.notices_count + p.deduplicated_count AS total, "
        "(SELECT coalesce(sum(h.count), 0) FROM problem_hours h WHERE h.problem_id = p.id) AS n FROM problems p) "
        "WHERE total < n",
    ),
    (  # the same sum as `checkend.models.storage` defines
        "app {} counts {} stored bytes, but its notices, backtraces, shared values and hours take {}",
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
    """What is broken in the file itself, in sentences; empty for a sound one. Takes one reading transaction."""
    try:
        with closing(_open(path)) as store:
            found = [f"The file is damaged: {row[0]}." for row in store.execute(f"PRAGMA integrity_check({MAX_SHOWN})")]
            if found == ["The file is damaged: ok."]:
                found = []
            for table, row_id, parent, _ in store.execute("PRAGMA foreign_key_check").fetchmany(MAX_SHOWN):
                found.append(f"Row {row_id} of {table} refers to a row of {parent} that does not exist.")
            return found
    except sqlite3.DatabaseError as error:
        return [f"The file cannot be read: {error}."]


def find_wrong_counters(path: Path) -> list[str]:
    """Kept counts that do not agree with the rows, in sentences; empty when all do. The file must be sound."""
    with closing(_open(path)) as store:
        store.execute("BEGIN")
        return [
            sentence.format(*row).capitalize() + "."
            for sentence, statement in COUNTS
            for row in store.execute(statement).fetchmany(MAX_SHOWN)
        ]


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
