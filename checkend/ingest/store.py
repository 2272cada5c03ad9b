"""The SQL of ingestion: one transaction for a batch of reports, in plain statements on a DBAPI connection."""

import sqlite3
from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkend.extensions import LOCK_TIMEOUT_SECONDS, StoreConnection, connect, fold, limit_size
from checkend.ingest.tallies import ProblemWork, Tallies
from checkend.models.packing import pack

_REMEMBERED_REPEATS = 20_000


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
        self._tallies = Tallies()

    def lock(self) -> None:
        """Begin the next `write`'s transaction, as the only writer. Raises what SQLite raises."""
        (self._connection or self._open()).begin(writing=True)

    def write(self, batch: list[Prepared]) -> list[Stored | Exception]:
        """Store or count every report of ``batch`` in one transaction, on the disk when this returns.

        The transaction is the one that `lock` began, or else its own.

        An exception in the list stands for a report that was left out: `SenderChanged` when the key is not as it was
        any more, `NotARepeat` when the report came without content and has to be stored.

        Raises what SQLite raises; then nothing of the batch is stored.
        """
        connection = self._connection or self._open()
        work = _Batch(self, connection)
        if not connection.in_transaction:
            connection.begin(writing=True)
        try:
            self._notice_others(connection)
            work.version = self._version
            results = [work.take(report) for report in batch]
            self._tallies.write(connection, work.problems.values(), work.opened)
            connection.commit()
        except BaseException:
            self._tallies.forget()
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
            self._tallies.forget()

    @property
    def is_limited(self) -> bool:
        """Whether the file's size is limited by a setting, rather than by the disk alone."""
        return self._max_bytes > 0

    def repeat_of(self, problem_id: int, digest: bytes | None) -> _Repeat | None:
        return self._repeats.get((problem_id, digest))

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
        self.problems: dict[tuple[int, str], ProblemWork] = {}
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
        problem.add(report.occurred_at, report.facets, report.tags)
        if repeat is not None:
            repeat.count += 1
            problem.repeated += 1
            return Stored(repeat.notice_id, problem.id, True, repeat.count)
        assert content is not None  # or it was left out above
        return self._store(problem, report, content, opened)

    def _store(self, problem: ProblemWork, report: Prepared, content: Content, opened: bool) -> Stored:
        reopened = problem.resolved
        if reopened:
            problem.resolved, problem.reopened_at = False, report.received_at
        notice_id = self._insert_notice(problem, report, content)
        problem.stored += 1
        if self.store.window:
            repeat = _Repeat(notice_id, report.received_at, 1, self.version)
            self.repeats[problem.id, report.digest] = repeat
        return Stored(notice_id, problem.id, False, 1, opened, reopened)

    def _find(self, report: Prepared) -> ProblemWork | None:
        row = self.connection.execute(
            "SELECT id, error_class, error_message, status, first_noticed_at, last_noticed_at "
            "FROM problems WHERE app_id = ? AND fingerprint = ?",
            (report.sender.app_id, report.fingerprint),
        ).fetchone()
        if row is None:
            return None
        problem_id, error_class, message, status, first, last = row
        resolved = status == "resolved"
        return ProblemWork(problem_id, report.sender.app_id, error_class, message, resolved, first, last)

    def _open(self, report: Prepared, content: Content) -> ProblemWork:
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
        return ProblemWork(problem_id, report.sender.app_id, report.error_class, report.error_message, False, at, at)

    def _repeat(self, problem: ProblemWork, report: Prepared) -> _Repeat | None:
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

    def _insert_notice(self, problem: ProblemWork, report: Prepared, content: Content) -> int:
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


def _last_id(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None  # every INSERT sets it
    return cursor.lastrowid
