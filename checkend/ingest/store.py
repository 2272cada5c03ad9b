"""The SQL of ingestion: one transaction for a batch of reports, in plain statements on a DBAPI connection.

Everything the batch changes is worked out in memory first where it can be: one UPDATE a problem however many of its
reports the batch holds, one upsert an hour and a shared value.
"""

import logging
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checkend.extensions import LOCK_TIMEOUT_SECONDS, StoreConnection, connect, fold, limit_size
from checkend.models.counters import FACET_VALUES, OTHER_VALUES
from checkend.models.packing import pack

HOUR = 3_600_000_000
_REMEMBERED_REPEATS = 20_000
_REMEMBERED_FACETS = 2_000
_REMEMBERED_TAGS = 20_000
MAX_PROBLEM_TAGS = 500

log = logging.getLogger("checkend.store")


@dataclass(frozen=True, slots=True)
class Sender:
    """The app that an ingestion key belongs to, as far as ingestion needs it."""

    ingestion_key: str
    app_id: int
    environment: str | None
    disabled_rules: frozenset[str]


class SenderChanged(Exception):
    """The ingestion key, or what its app asks of ingestion, was changed meanwhile; the report was not stored."""


class NotARepeat(Exception):
    """The report was prepared to be counted only, but it has to be stored."""


@dataclass(frozen=True, slots=True)
class Content:
    """What only a stored report needs: how it was grouped, and all of it, scrubbed."""

    grouping_version: int
    grouping_reason: str
    location: str
    details: dict[str, Any]
    backtrace: list[Any]


@dataclass(slots=True)
class Prepared:
    """A report ready for the store. Times in µs. Without ``content`` it can only be counted as a repeat."""

    sender: Sender
    fingerprint: str
    error_class: str
    error_message: str
    digest: bytes | None
    tags: tuple[str, ...]
    facets: tuple[tuple[str, str], ...]
    occurred_at: int
    received_at: int
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a report. ``notice_id`` is the stored notice: its own, or the one that it repeats."""

    notice_id: int
    problem_id: int
    deduplicated: bool
    occurrence_count: int
    opened: bool = False
    reopened: bool = False


@dataclass(slots=True)
class _Repeat:
    """The stored notice that repeats of a problem with a backtrace are counted for."""

    notice_id: int
    stored_at: int
    count: int
    version: int


@dataclass(slots=True)
class _Problem:
    """A problem within the batch: what it is, and what the batch adds to it."""

    id: int
    app_id: int
    error_class: str
    error_message: str
    resolved: bool
    first: int
    last: int
    stored: int = 0
    repeated: int = 0
    reopened_at: int | None = None
    hours: dict[int, int] = field(default_factory=dict)
    facets: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)


def find_sender(connection: sqlite3.Connection, ingestion_key: str) -> Sender | None:
    """Whose key it is; None when it is nobody's."""
    row = connection.execute(
        "SELECT id, environment, grouping_off FROM apps WHERE ingestion_key = ?", (ingestion_key,)
    ).fetchone()
    return None if row is None else Sender(ingestion_key, row[0], row[1], frozenset(row[2].split()))


class ReportStore:
    """Writes reports. For one thread at a time; other writers of the process take their turns by the write lock."""

    def __init__(
        self, path: Path, repeat_window_seconds: int, *, max_bytes: int = 0, lock_timeout: float = LOCK_TIMEOUT_SECONDS
    ) -> None:
        """``max_bytes`` is what the store's file never outgrows here (0: no limit), ``lock_timeout`` for how many
        seconds `write` waits for other writers."""
        self._path = path
        self._max_bytes = max_bytes
        self._lock_timeout = lock_timeout
        self._window = repeat_window_seconds * 1_000_000
        self._connection: StoreConnection | None = None
        self._version = -1
        self._repeats: OrderedDict[tuple[int, bytes | None], _Repeat] = OrderedDict()
        self.known_tags: set[tuple[int, str]] = set()
        self._known_facets: OrderedDict[int, dict[str, set[str]]] = OrderedDict()

    def write(self, batch: list[Prepared]) -> list[Stored | Exception]:
        """Store or count every report of ``batch`` in one transaction, on the disk when this returns.

        An exception in the list stands for a report that was left out: `SenderChanged` when the key is not as it was
        any more, `NotARepeat` when the report came without content and has to be stored.

        Raises what SQLite raises; then nothing of the batch is stored.
        """
        connection = self._connection or self._open()
        work = _Batch(self, connection)
        connection.begin(writing=True)
        try:
            self._notice_others(connection)
            work.version = self._version
            results = [work.take(report) for report in batch]
            work.write_counts()
            connection.commit()
        except BaseException:
            self._forget()
            self._roll_back(connection)
            raise
        self._repeats.update(work.repeats)
        while len(self._repeats) > _REMEMBERED_REPEATS:
            self._repeats.popitem(last=False)
        return results

    def _open(self) -> StoreConnection:
        connection = connect(self._path, timeout=self._lock_timeout)
        if self._max_bytes:
            limit_size(connection, self._max_bytes)
        self._connection = connection
        return connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _roll_back(self, connection: StoreConnection) -> None:
        try:
            connection.rollback()
        except sqlite3.Error:  # the connection itself is broken: the next batch opens a new one
            self.close()

    def _notice_others(self, connection: StoreConnection) -> None:
        """When another connection has committed since, what is remembered must be checked before it is used."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._forget()

    def _forget(self) -> None:
        self._known_facets.clear()
        self.known_tags.clear()

    def repeat_of(self, problem_id: int, digest: bytes | None) -> _Repeat | None:
        return self._repeats.get((problem_id, digest))

    def known_facets(self, connection: StoreConnection, problem_id: int) -> dict[str, set[str]]:
        """The values that are counted by themselves for a problem, by facet."""
        known = self._known_facets.get(problem_id)
        if known is None:
            known = {}
            rows = connection.execute("SELECT name, value FROM problem_facets WHERE problem_id = ?", (problem_id,))
            for name, value in rows:
                known.setdefault(name, set()).add(value)
            self._known_facets[problem_id] = known
            if len(self._known_facets) > _REMEMBERED_FACETS:
                self._known_facets.popitem(last=False)
        return known

    @property
    def window(self) -> int:
        """How long after a stored notice its repeats are only counted, in µs; 0 for never."""
        return self._window


class _Batch:
    """One transaction's work."""

    def __init__(self, store: ReportStore, connection: StoreConnection) -> None:
        self.store = store
        self.connection = connection
        self.version = -1
        self.repeats: dict[tuple[int, bytes | None], _Repeat] = {}
        self.problems: dict[tuple[int, str], _Problem] = {}
        self.opened: Counter[int] = Counter()
        self.senders: dict[Sender, bool] = {}

    def _knows(self, sender: Sender) -> bool:
        """Whether the sender is still as it was when the report was prepared."""
        if sender not in self.senders:
            self.senders[sender] = find_sender(self.connection, sender.ingestion_key) == sender
        return self.senders[sender]

    def take(self, report: Prepared) -> Stored | Exception:
        """Store or count one report, or say why it was left out."""
        if not self._knows(report.sender):
            return SenderChanged()
        key = (report.sender.app_id, report.fingerprint)
        problem = self.problems.get(key) or self._find(report)
        repeat = self._repeat(problem, report) if problem else None
        content = report.content
        if content is None and repeat is None:
            return NotARepeat()
        opened = problem is None
        if problem is None:
            assert content is not None  # without a problem there is nothing to repeat
            problem = self._open(report, content)
        self.problems[key] = problem
        self._count(problem, report)
        if repeat is not None:
            repeat.count += 1
            problem.repeated += 1
            return Stored(repeat.notice_id, problem.id, True, repeat.count)
        assert content is not None  # or it was left out above
        return self._store(problem, report, content, opened)

    def _store(self, problem: _Problem, report: Prepared, content: Content, opened: bool) -> Stored:
        reopened = problem.resolved
        if reopened:
            problem.resolved, problem.reopened_at = False, report.received_at
        notice_id = self._insert_notice(problem, report, content)
        problem.stored += 1
        if self.store.window:
            repeat = _Repeat(notice_id, report.received_at, 1, self.version)
            self.repeats[problem.id, report.digest] = repeat
        return Stored(notice_id, problem.id, False, 1, opened, reopened)

    def _find(self, report: Prepared) -> _Problem | None:
        row = self.connection.execute(
            "SELECT id, error_class, error_message, status, first_noticed_at, last_noticed_at "
            "FROM problems WHERE app_id = ? AND fingerprint = ?",
            (report.sender.app_id, report.fingerprint),
        ).fetchone()
        if row is None:
            return None
        problem_id, error_class, message, status, first, last = row
        resolved = status == "resolved"
        return _Problem(problem_id, report.sender.app_id, error_class, message, resolved, first, last)

    def _open(self, report: Prepared, content: Content) -> _Problem:
        at, now = report.occurred_at, report.received_at
        cursor = self.connection.execute(
            "INSERT INTO problems (app_id, error_class, error_message, fingerprint, grouping_version, grouping_reason, "
            "location, search_text, status, notices_count, deduplicated_count, first_noticed_at, last_noticed_at, "
            "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'unresolved', 0, 0, ?, ?, ?, ?)",
            (
                report.sender.app_id,
                report.error_class,
                report.error_message,
                report.fingerprint,
                content.grouping_version,
                content.grouping_reason,
                content.location,
                fold(f"{report.error_class}\n{report.error_message}"),
                at,
                at,
                now,
                now,
            ),
        )
        self.opened[report.sender.app_id] += 1
        problem_id = _last_id(cursor)
        return _Problem(problem_id, report.sender.app_id, report.error_class, report.error_message, False, at, at)

    def _count(self, problem: _Problem, report: Prepared) -> None:
        at = report.occurred_at
        problem.first = min(problem.first, at)
        problem.last = max(problem.last, at)
        hour = at - at % HOUR
        problem.hours[hour] = problem.hours.get(hour, 0) + 1
        problem.facets.append(report.facets)
        if report.tags:
            problem.tags.update(report.tags)

    def _repeat(self, problem: _Problem, report: Prepared) -> _Repeat | None:
        """What the report repeats within the window, if anything; nothing on a resolved problem."""
        window = self.store.window
        if not window or problem.resolved:
            return None
        key = (problem.id, report.digest)
        repeat = self.repeats.get(key)
        if repeat is None:
            known = self.store.repeat_of(*key)
            if known is None or report.received_at - known.stored_at >= window:
                return None
            repeat = _Repeat(known.notice_id, known.stored_at, known.count, known.version)
            if repeat.version != self.version and not self._still_there(repeat.notice_id, problem.id):
                return None
            repeat.version = self.version
            self.repeats[key] = repeat
        return repeat if report.received_at - repeat.stored_at < window else None

    def _still_there(self, notice_id: int, problem_id: int) -> bool:
        found = self.connection.execute(
            "SELECT 1 FROM notices WHERE id = ? AND problem_id = ?", (notice_id, problem_id)
        )
        return found.fetchone() is not None

    def _insert_notice(self, problem: _Problem, report: Prepared, content: Content) -> int:
        backtrace_id = None if report.digest is None else self._backtrace_id(report.digest, content)
        cursor = self.connection.execute(
            "INSERT INTO notices (problem_id, backtrace_id, own_error_class, own_error_message, occurred_at, "
            "created_at, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                problem.id,
                backtrace_id,
                None if report.error_class == problem.error_class else report.error_class,
                None if report.error_message == problem.error_message else report.error_message,
                report.occurred_at,
                report.received_at,
                pack(content.details),
            ),
        )
        return _last_id(cursor)

    def _backtrace_id(self, digest: bytes, content: Content) -> int:
        row = self.connection.execute("SELECT id FROM backtraces WHERE digest = ?", (digest,)).fetchone()
        if row is not None:
            return int(row[0])
        values = (digest, pack(content.backtrace))
        return _last_id(self.connection.execute("INSERT INTO backtraces (digest, packed) VALUES (?, ?)", values))

    def write_counts(self) -> None:
        """Write what the batch adds to problems, apps, hours, shared values and tags."""
        problems = self.problems.values()
        self._write_problems(problems)
        self._write_apps(problems)
        app_hours: Counter[tuple[int, int]] = Counter()
        for problem in problems:
            for hour, count in problem.hours.items():
                app_hours[problem.app_id, hour] += count
        self.connection.executemany(
            "INSERT INTO problem_hours (problem_id, hour, count) VALUES (?, ?, ?) "
            "ON CONFLICT (problem_id, hour) DO UPDATE SET count = count + excluded.count",
            [(problem.id, hour, count) for problem in problems for hour, count in problem.hours.items()],
        )
        self.connection.executemany(
            "INSERT INTO app_hours (app_id, hour, count) VALUES (?, ?, ?) "
            "ON CONFLICT (app_id, hour) DO UPDATE SET count = count + excluded.count",
            [(app_id, hour, count) for (app_id, hour), count in app_hours.items()],
        )
        self.connection.executemany(
            "INSERT INTO problem_facets (problem_id, name, value, count) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (problem_id, name, value) DO UPDATE SET count = count + excluded.count",
            [row for problem in problems for row in self._facet_rows(problem)],
        )
        for problem in problems:
            self._write_tags(problem)

    def _write_problems(self, problems: Iterable[_Problem]) -> None:
        self.connection.executemany(
            "UPDATE problems SET notices_count = notices_count + ?, deduplicated_count = deduplicated_count + ?, "
            "first_noticed_at = ?, last_noticed_at = ? WHERE id = ?",
            [(p.stored, p.repeated, p.first, p.last, p.id) for p in problems],
        )

    def _write_apps(self, problems: Iterable[_Problem]) -> None:
        reopened: Counter[int] = Counter()
        for problem in problems:
            if problem.reopened_at is not None:
                reopened[problem.app_id] += 1
                self.connection.execute(
                    "UPDATE problems SET status = 'unresolved', resolved_at = NULL, updated_at = ? WHERE id = ?",
                    (problem.reopened_at, problem.id),
                )
        self.connection.executemany(
            "UPDATE apps SET problems_count = problems_count + ?, "
            "unresolved_problems_count = unresolved_problems_count + ? WHERE id = ?",
            [
                (self.opened[app_id], self.opened[app_id] + reopened[app_id], app_id)
                for app_id in self.opened | reopened
            ],
        )

    def _facet_rows(self, problem: _Problem) -> list[tuple[int, str, str, int]]:
        known = self.store.known_facets(self.connection, problem.id)
        rows: dict[tuple[str, str], int] = {}
        for facets in problem.facets:
            for name, value in facets:
                values = known.setdefault(name, set())
                if value not in values:
                    if len(values) < FACET_VALUES:
                        values.add(value)
                    else:
                        value = OTHER_VALUES
                rows[name, value] = rows.get((name, value), 0) + 1
        return [(problem.id, name, value, count) for (name, value), count in rows.items()]

    def _write_tags(self, problem: _Problem) -> None:
        known = self.store.known_tags
        new = [name for name in sorted(problem.tags) if (problem.id, name) not in known]
        if not new:
            return
        (carried,) = self.connection.execute(
            "SELECT count(*) FROM problem_tags WHERE problem_id = ?", (problem.id,)
        ).fetchone()
        if carried + len(new) > MAX_PROBLEM_TAGS:
            new = new[: max(MAX_PROBLEM_TAGS - carried, 0)]
            log.warning("problem %d carries %d tags, as many as it may: further ones are left out", problem.id, carried)
        if len(known) >= _REMEMBERED_TAGS:
            known.clear()
        for name in new:
            known.add((problem.id, name))
            self.connection.execute("INSERT INTO tags (name) VALUES (?) ON CONFLICT (name) DO NOTHING", (name,))
            self.connection.execute(
                "INSERT INTO problem_tags (problem_id, tag_id) SELECT ?, id FROM tags WHERE name = ? "
                "ON CONFLICT DO NOTHING",
                (problem.id, name),
            )


def _last_id(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None  # every INSERT sets it
    return cursor.lastrowid
