"""The SQL of ingestion: one transaction for a batch of reports, in plain statements on a DBAPI connection."""

import sqlite3
from collections import Counter, OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkend.db.compression import compress
from checkend.db.connection import LOCK_TIMEOUT_SECONDS, DatabaseConnection, connect, last_row_id, limit_size
from checkend.exceptions import CheckendError
from checkend.ingest.counters import CounterWriter, ProblemDelta
from checkend.ingest.problem_rows import find_problem, insert_problem, update_latest_message
from checkend.ingest.quota import OVERFLOW_FINGERPRINT, Quota, StorageLimits
from checkend.models.storage import NOTICE_BYTES

CLOCK_TOLERANCE = 3_600_000_000  # µs by which a time may lie in the future, as after a small correction of the clock
REORDERING = 10_000_000  # µs by which a report may be received before one that is written earlier
MAX_BATCH_BYTES = 16_777_216  # roughly: as much as a batch adds to the file where every request thread sends 1 MB
_DEDUP_CACHE_SIZE = 20_000
_NO_LIMITS = StorageLimits()


@dataclass(frozen=True, slots=True)
class IngestApp:
    """The app that an ingestion key belongs to, as far as ingestion needs it."""

    ingestion_key: str
    app_id: int
    environment: str | None
    disabled_rules: frozenset[str]


class StaleKeyError(CheckendError):
    """The ingestion key, or what its app asks of ingestion, was changed meanwhile; the report was not stored."""


class NotDuplicateError(CheckendError):
    """The report was prepared to be counted only, but it has to be stored."""


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """What only a stored report needs: how it was grouped, and all of it, scrubbed."""

    grouping_version: int
    grouping_reason: str
    location: str
    details: dict[str, Any]
    backtrace: list[Any]


@dataclass(slots=True)
class PreparedReport:
    """A report ready for the store. Times in µs. Without ``content`` it can only be counted as a repeat."""

    sender: IngestApp
    fingerprint: str
    error_class: str
    error_message: str
    digest: bytes | None
    tags: tuple[str, ...]
    facets: tuple[tuple[str, str], ...]
    occurred_at: int
    received_at: int
    content: NoticeContent | None = None


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of a report. ``notice_id`` is the stored notice: its own, or the one that it repeats."""

    notice_id: int
    problem_id: int
    deduplicated: bool
    occurrence_count: int
    opened: bool = False
    reopened: bool = False


@dataclass(slots=True)
class _DedupEntry:
    """The stored notice that repeats of a problem with a backtrace are counted for."""

    notice_id: int
    stored_at: int
    count: int
    version: int


def find_ingest_app(connection: sqlite3.Connection, ingestion_key: str) -> IngestApp | None:
    """Whose key it is; None when it is nobody's."""
    row = _find_app(connection, ingestion_key)
    return None if row is None else _ingest_app(ingestion_key, row)


def _find_app(connection: sqlite3.Connection, ingestion_key: str) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = connection.execute(
        "SELECT id, environment, grouping_off, problems_count, stored_bytes FROM apps WHERE ingestion_key = ?",
        (ingestion_key,),
    ).fetchone()
    return row


def _ingest_app(ingestion_key: str, row: tuple[Any, ...]) -> IngestApp:
    return IngestApp(ingestion_key, row[0], row[1], frozenset(row[2].split()))


class ReportStore:
    """Writes reports. For one thread at a time; other writers of the process take their turns by the write lock."""

    def __init__(
        self,
        path: Path,
        repeat_window_seconds: int,
        *,
        limits: StorageLimits = _NO_LIMITS,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        """``lock_timeout`` is for how many seconds `write` waits for other writers."""
        self._path = path
        self._limits = limits
        self._lock_timeout = lock_timeout
        self._window = repeat_window_seconds * 1_000_000
        self._connection: DatabaseConnection | None = None
        self._version = -1
        self._repeats: OrderedDict[tuple[int, bytes | None], _DedupEntry] = OrderedDict()
        self._tallies = CounterWriter()
        self.reserve_taken: Counter[int] = Counter()  # for `Quota`

    def lock(self) -> None:
        """Begin the next `write`'s transaction, as the only writer. Raises what SQLite raises."""
        connection = self._connection or self._open()
        if connection.in_transaction:  # whoever called this before did not come to `write`
            self._roll_back(connection)
            connection = self._connection or self._open()
        connection.begin(writing=True)

    def write(self, batch: list[PreparedReport]) -> list[IngestResult | Exception]:
        """Store or count every report of ``batch`` in one transaction, on the disk when this returns.

        The transaction is the one that `lock` began, or else its own.

        An exception in the list stands for a report that was left out: `StaleKeyError` when the key is not as it was
        any more, `NotDuplicateError` when the report came without content and has to be stored, `StorageLimitError`
        when its app uses too much of the store.

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
            self._tallies.write(connection, work.problems.values(), work.quota)
            connection.commit()
        except BaseException:
            self._tallies.forget()
            self._roll_back(connection)
            raise
        self._repeats.update(work.repeats)
        while len(self._repeats) > _DEDUP_CACHE_SIZE:
            self._repeats.popitem(last=False)
        return results

    def _open(self) -> DatabaseConnection:
        connection = connect(self._path, timeout=self._lock_timeout)
        if self._limits.store_bytes:
            limit_size(connection, self._limits.store_bytes)
        self._connection = connection
        return connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _roll_back(self, connection: DatabaseConnection) -> None:
        try:
            connection.rollback()
        except sqlite3.Error:  # the connection itself is broken: the next batch opens a new one
            self.close()

    def _notice_others(self, connection: DatabaseConnection) -> None:
        """When another connection has committed since, what is remembered must be checked before it is used."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._tallies.forget()

    @property
    def is_at_limit(self) -> bool:
        """Whether the file is so large that a batch may not fit into the limit on its size; then the disk is not full.

        SQLite reports both in the same way.
        """
        if not self._limits.store_bytes or self._connection is None:
            return False
        with suppress(sqlite3.Error):
            pages, page_bytes = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
            )
            room: int = self._limits.store_bytes - pages * page_bytes
            return room < max(self._limits.store_bytes // 10, MAX_BATCH_BYTES)
        return False

    def repeat_of(self, problem_id: int, digest: bytes | None) -> _DedupEntry | None:
        return self._repeats.get((problem_id, digest))

    @property
    def limits(self) -> StorageLimits:
        """What an app may use of the store."""
        return self._limits

    @property
    def window(self) -> int:
        """How long after a stored notice its repeats are only counted, in µs; 0 for never."""
        return self._window


class _Batch:
    """One transaction's work."""

    def __init__(self, store: ReportStore, connection: DatabaseConnection) -> None:
        self.store = store
        self.connection = connection
        self.version = -1
        self.repeats: dict[tuple[int, bytes | None], _DedupEntry] = {}
        self.problems: dict[tuple[int, str], ProblemDelta] = {}
        self.quota = Quota(connection, store.limits, store.reserve_taken)
        self.senders: dict[IngestApp, bool] = {}

    def _knows(self, sender: IngestApp) -> bool:
        """Whether the sender is still as it was when the report was prepared."""
        if sender not in self.senders:
            row = _find_app(self.connection, sender.ingestion_key)
            self.senders[sender] = row is not None and _ingest_app(sender.ingestion_key, row) == sender
            if row is not None:
                self.quota.start(row[0], problems=row[3], stored_bytes=row[4])
        return self.senders[sender]

    def take(self, report: PreparedReport) -> IngestResult | Exception:
        """Store or count one report, or say why it was left out."""
        if not self._knows(report.sender):
            return StaleKeyError()
        key, problem = self._problem(report)
        repeat = self._repeat(problem, report) if problem else None
        if repeat is not None:
            assert problem is not None  # without a problem there is nothing to repeat
            self.problems[key] = problem
            problem.add(report.occurred_at, report.facets, report.tags)
            repeat.count += 1
            problem.repeated += 1
            return IngestResult(repeat.notice_id, problem.id, True, repeat.count)
        if report.content is None:
            return NotDuplicateError()
        return self._store(key, problem, report, report.content)

    def _problem(self, report: PreparedReport) -> tuple[tuple[int, str], ProblemDelta | None]:
        """The report's problem, None when it has to be opened, under its key: app and fingerprint."""
        key = (report.sender.app_id, report.fingerprint)
        problem = self.problems.get(key) or self._find(key, report)
        if problem is None and self.quota.has_all_problems(report.sender.app_id):
            key = (report.sender.app_id, OVERFLOW_FINGERPRINT)
            problem = self.problems.get(key) or self._find(key, report)
        return key, problem

    def _store(
        self, key: tuple[int, str], problem: ProblemDelta | None, report: PreparedReport, content: NoticeContent
    ) -> IngestResult | Exception:
        app_id = report.sender.app_id
        packed = _CompressedNotice(compress(content.details), *self._backtrace(report.digest, content))
        if refusal := self.quota.check(app_id, packed.size):
            return refusal
        opened = problem is None
        if problem is None:
            problem = insert_problem(self.connection, key, report, content, self.store.limits)
            self.quota.add_problem(app_id)
        self.problems[key] = problem
        problem.add(report.occurred_at, report.facets, report.tags)
        reopened = problem.resolved
        if reopened:
            problem.resolved, problem.reopened_at = False, report.received_at
        notice_id = self._insert_notice(problem, report, packed)
        problem.stored += 1
        update_latest_message(self.connection, problem, report)
        if self.store.window:
            repeat = _DedupEntry(notice_id, report.received_at, 1, self.version)
            self.repeats[_dedup_key(problem, report)] = repeat
        return IngestResult(notice_id, problem.id, False, 1, opened, reopened)

    def _find(self, key: tuple[int, str], report: PreparedReport) -> ProblemDelta | None:
        problem = find_problem(self.connection, *key)
        if problem is not None and problem.last > report.received_at + CLOCK_TOLERANCE:
            problem.last = report.occurred_at  # what was there was left by a clock that was ahead
        return problem

    def _repeat(self, problem: ProblemDelta, report: PreparedReport) -> _DedupEntry | None:
        """What the report repeats within the window, if anything; nothing on a resolved problem."""
        window = self.store.window
        if not window or problem.resolved:
            return None
        key = _dedup_key(problem, report)
        repeat = self.repeats.get(key)
        if repeat is None:
            known = self.store.repeat_of(*key)
            if known is None or not -REORDERING <= report.received_at - known.stored_at < window:
                return None
            repeat = _DedupEntry(known.notice_id, known.stored_at, known.count, known.version)
            if repeat.version != self.version and not self._still_there(repeat.notice_id, problem.id):
                return None
            repeat.version = self.version
            self.repeats[key] = repeat
        return repeat if -REORDERING <= report.received_at - repeat.stored_at < window else None

    def _still_there(self, notice_id: int, problem_id: int) -> bool:
        found = self.connection.execute(
            "SELECT 1 FROM notices WHERE id = ? AND problem_id = ?", (notice_id, problem_id)
        )
        return found.fetchone() is not None

    def _insert_notice(self, problem: ProblemDelta, report: PreparedReport, packed: "_CompressedNotice") -> int:
        app_id, backtrace_id, size = problem.app_id, packed.backtrace_id, packed.size
        if packed.backtrace is not None:
            values = (report.digest, packed.backtrace, app_id)
            backtrace_id = last_row_id(
                self.connection.execute("INSERT INTO backtraces (digest, packed, app_id) VALUES (?, ?, ?)", values)
            )
        own_class = None if report.error_class == problem.error_class else report.error_class
        own_message = None if report.error_message == problem.error_message else report.error_message
        for own in (own_class, own_message):
            if own is not None:
                size += len(own) if own.isascii() else len(own.encode())
        self.quota.add_bytes(app_id, size)
        cursor = self.connection.execute(
            "INSERT INTO notices (problem_id, backtrace_id, own_error_class, own_error_message, occurred_at, "
            "created_at, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                problem.id,
                backtrace_id,
                own_class,
                own_message,
                report.occurred_at,
                report.received_at,
                packed.details,
            ),
        )
        return last_row_id(cursor)

    def _backtrace(self, digest: bytes | None, content: NoticeContent) -> tuple[int | None, bytes | None]:
        """The id of the backtrace if it is stored already, else all of it, packed; neither where there is none."""
        if digest is None:
            return None, None
        row = self.connection.execute("SELECT id FROM backtraces WHERE digest = ?", (digest,)).fetchone()
        return (row[0], None) if row is not None else (None, compress(content.backtrace))


@dataclass(slots=True)
class _CompressedNotice:
    """A notice as it is to be stored: its backtrace by id, or as bytes when it is a new one."""

    details: bytes
    backtrace_id: int | None
    backtrace: bytes | None

    @property
    def size(self) -> int:
        """Bytes that it adds to ``apps.stored_bytes``, without the class and the message."""
        return NOTICE_BYTES + len(self.details) + (len(self.backtrace) if self.backtrace else 0)


def _dedup_key(problem: ProblemDelta, report: PreparedReport) -> tuple[int, bytes | None]:
    """What reports have in common that repeat each other."""
    if problem.overflow:  # which holds different errors: equal backtraces, or none, make no duplicates there
        return problem.id, report.fingerprint.encode() + (report.digest or b"")
    return problem.id, report.digest
