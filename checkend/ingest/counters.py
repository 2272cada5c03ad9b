"""Update the maintained counters with a batch: those of problems, apps, hours, facets and tags.

A batch is added up in memory first: one UPDATE for each problem, however many of its reports are in the batch, and one
upsert for each hour and each value of a facet.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Collection
from typing import Any

from checkend.db.connection import DatabaseConnection
from checkend.ingest.problem_delta import ProblemDelta
from checkend.ingest.quota import Quota
from checkend.ingest.releases import RELEASE_FACET, KnownReleases
from checkend.models.counters import FACET_VALUES, OTHER_VALUES
from checkend.models.storage import HOUR_BYTES, VALUE_BYTES

MAX_PROBLEM_TAGS = 50  # from reports; users may add more. They take at most 6 kB, see `storage.PROBLEM_BYTES`.
_FACET_CACHE_SIZE = 2_000  # problems
_VALUE_CACHE_SIZE = 40_000  # values of up to 200 characters, of all these problems together
_TAG_CACHE_SIZE = 20_000
_HOUR_CACHE_SIZE = 20_000
_COUNTS = (
    "notices_count = notices_count + ?, deduplicated_count = deduplicated_count + ?, "
    "first_noticed_at = ?, last_noticed_at = ?"
)

log = logging.getLogger("checkend.store")


class CounterWriter:
    """Write the counters of batches. Caches which values, tags and hours a problem has. For one thread at a time."""

    def __init__(self) -> None:
        self._tags: set[tuple[int, str]] = set()
        self._hours: set[tuple[int, int]] = set()
        self._facets: OrderedDict[int, dict[str, set[str]]] = OrderedDict()
        self._values = 0  # the number of values in self._facets
        self.releases = KnownReleases()

    def forget(self) -> None:
        """Clear the caches, which are out of date after another connection has written or a batch was rolled back."""
        self._facets.clear()
        self._values = 0
        self._tags.clear()
        self._hours.clear()
        self.releases.forget()

    def write(self, connection: DatabaseConnection, problems: Collection[ProblemDelta], quota: Quota) -> None:
        """Write what a batch adds to ``problems``, and what ``quota`` counted for their apps, in its transaction."""
        facet_rows = [row for problem in problems for row in self._facet_rows(connection, problem, quota)]
        for problem in problems:
            self._charge_hours(connection, problem, quota)
        _write_problems(connection, problems)
        _write_apps(connection, problems, quota)
        app_hours: Counter[tuple[int, int]] = Counter()
        for problem in problems:
            for hour, count in problem.hours.items():
                app_hours[problem.app_id, hour] += count
        _execute_many(
            connection,
            "INSERT INTO problem_hours (problem_id, hour, count) VALUES (?, ?, ?) "
            "ON CONFLICT (problem_id, hour) DO UPDATE SET count = count + excluded.count",
            [(problem.id, hour, count) for problem in problems for hour, count in problem.hours.items()],
        )
        _execute_many(
            connection,
            "INSERT INTO problem_minutes (problem_id, minute, count) VALUES (?, ?, ?) "
            "ON CONFLICT (problem_id, minute) DO UPDATE SET count = count + excluded.count",
            [(problem.id, minute, count) for problem in problems for minute, count in problem.minutes.items()],
        )
        _execute_many(
            connection,
            "INSERT INTO app_hours (app_id, hour, count) VALUES (?, ?, ?) "
            "ON CONFLICT (app_id, hour) DO UPDATE SET count = count + excluded.count",
            [(app_id, hour, count) for (app_id, hour), count in app_hours.items()],
        )
        _execute_many(
            connection,
            "INSERT INTO problem_facets (problem_id, name, value, count) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (problem_id, name, value) DO UPDATE SET count = count + excluded.count",
            facet_rows,
        )
        for problem in problems:
            self._write_tags(connection, problem)

    def _facet_rows(
        self, connection: DatabaseConnection, problem: ProblemDelta, quota: Quota
    ) -> list[tuple[int, str, str, int]]:
        known = self._facets_of(connection, problem.id)
        rows: dict[tuple[str, str], int] = {}
        for facets in problem.facets:
            for name, value in facets:
                values = known.setdefault(name, set())
                if value not in values:
                    if name == RELEASE_FACET:  # a release that is new to the app is new to each problem
                        self.releases.record(connection, problem.app_id, value, problem.received_at)
                    if len(values) < FACET_VALUES:
                        values.add(value)
                        self._values += 1
                        quota.add_bytes(problem.app_id, VALUE_BYTES + len(value.encode()))
                    else:
                        value = OTHER_VALUES
                rows[name, value] = rows.get((name, value), 0) + 1
        return [(problem.id, name, value, count) for (name, value), count in rows.items()]

    def _facets_of(self, connection: DatabaseConnection, problem_id: int) -> dict[str, set[str]]:
        """Return the values that are counted individually for a problem, by facet."""
        known = self._facets.get(problem_id)
        if known is None:
            known = {}
            rows = connection.execute("SELECT name, value FROM problem_facets WHERE problem_id = ?", (problem_id,))
            for name, value in rows:
                known.setdefault(name, set()).add(value)
            self._facets[problem_id] = known
            self._values += sum(map(len, known.values()))
            while len(self._facets) > 1 and (len(self._facets) > _FACET_CACHE_SIZE or self._values > _VALUE_CACHE_SIZE):
                self._values -= sum(map(len, self._facets.popitem(last=False)[1].values()))
        return known

    def _charge_hours(self, connection: DatabaseConnection, problem: ProblemDelta, quota: Quota) -> None:
        """Charge the app for the hours of the problem that have no row yet."""
        known = self._hours
        new = [hour for hour in problem.hours if (problem.id, hour) not in known]
        if not new:
            return
        if len(known) >= _HOUR_CACHE_SIZE:
            known.clear()
        known.update((problem.id, hour) for hour in new)
        if not problem.is_new:
            select = "SELECT 1 FROM problem_hours WHERE problem_id = ? AND hour = ?"
            new = [hour for hour in new if connection.execute(select, (problem.id, hour)).fetchone() is None]
        if new:
            quota.add_bytes(problem.app_id, HOUR_BYTES * len(new))

    def _write_tags(self, connection: DatabaseConnection, problem: ProblemDelta) -> None:
        known = self._tags
        new = [name for name in sorted(problem.tags) if (problem.id, name) not in known]
        if not new:
            return
        (count,) = connection.execute(
            "SELECT count(*) FROM problem_tags WHERE problem_id = ?", (problem.id,)
        ).fetchone()
        if len(known) >= _TAG_CACHE_SIZE:
            known.clear()
        known.update((problem.id, name) for name in new)
        if count + len(new) > MAX_PROBLEM_TAGS:
            new = new[: max(MAX_PROBLEM_TAGS - count, 0)]
            log.warning(
                "problem %d has %d tags; reports add at most %d, so further ones are ignored",
                problem.id,
                count,
                MAX_PROBLEM_TAGS,
            )
        for name in new:
            connection.execute("INSERT INTO tags (name) VALUES (?) ON CONFLICT (name) DO NOTHING", (name,))
            connection.execute(
                "INSERT INTO problem_tags (problem_id, tag_id) SELECT ?, id FROM tags WHERE name = ? "
                "ON CONFLICT DO NOTHING",
                (problem.id, name),
            )


def _write_problems(connection: DatabaseConnection, problems: Collection[ProblemDelta]) -> None:
    _execute_many(
        connection,
        f"UPDATE problems SET {_COUNTS} WHERE id = ?",
        [(p.notices, p.duplicates, p.first, p.last, p.id) for p in problems if not p.relabeled],
    )
    _execute_many(
        connection,
        f"UPDATE problems SET {_COUNTS}, latest_message = ? WHERE id = ?",
        [(p.notices, p.duplicates, p.first, p.last, _latest_message(p), p.id) for p in problems if p.relabeled],
    )
    _execute_many(
        connection,
        "UPDATE problems SET level = ? WHERE id = ?",
        [(p.level, p.id) for p in problems if p.level_changed],
    )
    _execute_many(
        connection,
        "UPDATE problems SET search_pending = 1 WHERE id = ?",
        [(p.id,) for p in problems if p.relabeled and not p.search_pending],
    )
    _execute_many(
        connection,
        "UPDATE problems SET status = 'unresolved', resolved_at = NULL, regressed_at = ?, updated_at = ? WHERE id = ?",
        [(p.reopened_at, p.reopened_at, p.id) for p in problems if p.reopened_at is not None],
    )


def _latest_message(problem: ProblemDelta) -> str | None:
    """Return the value of the column ``latest_message``: NULL if it is equal to the problem's first message."""
    return None if problem.latest_message == problem.error_message else problem.latest_message


def _write_apps(connection: DatabaseConnection, problems: Collection[ProblemDelta], quota: Quota) -> None:
    opened, stored = quota.opened, quota.stored
    reopened = Counter(problem.app_id for problem in problems if problem.reopened_at is not None)
    _execute_many(
        connection,
        "UPDATE apps SET problems_count = problems_count + ?, "
        "unresolved_problems_count = unresolved_problems_count + ?, stored_bytes = stored_bytes + ? WHERE id = ?",
        [(opened[app_id], opened[app_id] + reopened[app_id], size, app_id) for app_id, size in stored.items()],
    )


def _execute_many(connection: DatabaseConnection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Execute ``statement`` for each of ``rows``; if there are none, do not even prepare it."""
    if rows:
        connection.executemany(statement, rows)
