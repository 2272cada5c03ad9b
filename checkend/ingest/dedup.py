"""Recognize duplicates: reports with the problem and the backtrace of a notice that was stored a short time before.

There are two caches, because a report is handled by two threads. Both are lost when the process ends, which costs no
more than one additional notice for each error.

1. `GroupingCache` spares a request thread the scrubbing and grouping of a report that is equal to one stored before. It
   is only a guess: the report is then prepared without its content.
2. `DedupCache` belongs to the writer, which decides. If the notice is gone, the problem was resolved or the window is
   over, a report without content is returned with `NotDuplicateError`, and the request thread prepares all of it.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from checkend.db.connection import DatabaseConnection
from checkend.ingest.facets import facet_sources
from checkend.ingest.problem_delta import ProblemDelta
from checkend.ingest.reports import IngestApp, NormalizedReport, PreparedReport

_GROUPING_CACHE_SIZE = 2000
_DEDUP_CACHE_SIZE = 20_000
# µs by which a report may have been received before the one that is written before it. Request threads run in any
# order, and the writer takes reports in the order in which they were prepared.
_REORDERING_MICROS = 10_000_000


def digest(value: Any) -> bytes:
    """Return 16 bytes that identify a JSON value."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers of more than 64 bits
        text = json.dumps(value, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class GroupingCacheEntry:
    """The result of preparing a report, for duplicates of it. ``facets`` are valid for an equal ``sources_digest``."""

    fingerprint: str
    backtrace_digest: bytes | None
    stored_at: int
    sources_digest: bytes
    facets: tuple[tuple[str, str], ...]


class GroupingCache:
    """Remember how reports were grouped. Thread-safe. Contains only digests of what was sent, which bounds its size."""

    def __init__(self, window_micros: int) -> None:
        self._window = window_micros
        self._entries: dict[tuple[IngestApp, bytes], GroupingCacheEntry] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: tuple[IngestApp, bytes], received_at: int) -> GroupingCacheEntry | None:
        """Return the entry of an equal report that was stored within the window before ``received_at``."""
        entry = self._entries.get(key)
        return entry if entry is not None and 0 <= received_at - entry.stored_at < self._window else None

    def add(self, key: tuple[IngestApp, bytes], report: NormalizedReport, prepared: PreparedReport) -> None:
        """Remember how a report was grouped that has just been stored."""
        entry = GroupingCacheEntry(
            prepared.fingerprint,
            prepared.digest,
            prepared.received_at,
            digest(facet_sources(report.details)),
            prepared.facets,
        )
        with self._lock:
            self._entries.pop(key, None)
            while len(self._entries) >= _GROUPING_CACHE_SIZE:
                del self._entries[next(iter(self._entries))]  # the oldest
            self._entries[key] = entry


def grouping_cache_key(app: IngestApp, report: NormalizedReport) -> tuple[IngestApp, bytes]:
    """Identify everything in an unscrubbed report that grouping and deduplication depend on."""
    notifier = report.details["notifier"]
    fields = [
        report.error_class,
        report.error_message,
        report.fingerprint,
        report.backtrace,
        notifier.get("name"),
        notifier.get("language"),
    ]
    return app, digest(fields)


@dataclass(slots=True)
class DedupEntry:
    """A stored notice that duplicates are counted for; ``version`` is the database's when the notice was last seen."""

    notice_id: int
    stored_at: int
    count: int
    version: int


class DedupCache:
    """Remember the last notice of each problem and backtrace. For one thread at a time."""

    def __init__(self, window_micros: int) -> None:
        self.window = window_micros  # 0: nothing is a duplicate
        self.entries: OrderedDict[tuple[int, bytes | None], DedupEntry] = OrderedDict()

    def update(self, entries: dict[tuple[int, bytes | None], DedupEntry]) -> None:
        """Add the entries of a batch that has been committed."""
        self.entries.update(entries)
        while len(self.entries) > _DEDUP_CACHE_SIZE:
            self.entries.popitem(last=False)


class BatchDedup:
    """Deduplication within one transaction: what it adds counts for its later reports, but not if it is rolled back.

    ``version`` changes whenever another connection has written (``PRAGMA data_version``).
    """

    def __init__(self, cache: DedupCache, connection: DatabaseConnection, version: int) -> None:
        self._cache = cache
        self._connection = connection
        self._version = version
        self.entries: dict[tuple[int, bytes | None], DedupEntry] = {}

    def find(self, problem: ProblemDelta, report: PreparedReport) -> DedupEntry | None:
        """Return the notice that the report is a duplicate of. A resolved problem has none: the report reopens it."""
        window = self._cache.window
        if not window or problem.resolved:
            return None
        key = _dedup_key(problem, report)
        entry = self.entries.get(key)
        if entry is None:
            known = self._cache.entries.get(key)
            if known is None or not -_REORDERING_MICROS <= report.received_at - known.stored_at < window:
                return None
            if known.version != self._version and not self._still_exists(known.notice_id, problem.id):
                return None
            entry = DedupEntry(known.notice_id, known.stored_at, known.count, self._version)
            self.entries[key] = entry
        return entry if -_REORDERING_MICROS <= report.received_at - entry.stored_at < window else None

    def add(self, problem: ProblemDelta, report: PreparedReport, notice_id: int) -> None:
        """Remember a notice that has just been stored."""
        if self._cache.window:
            entry = DedupEntry(notice_id, report.received_at, 1, self._version)
            self.entries[_dedup_key(problem, report)] = entry

    def _still_exists(self, notice_id: int, problem_id: int) -> bool:
        """Return whether the notice still exists: another connection, such as retention's, may have deleted it."""
        row = self._connection.execute(
            "SELECT 1 FROM notices WHERE id = ? AND problem_id = ?", (notice_id, problem_id)
        ).fetchone()
        return row is not None


def _dedup_key(problem: ProblemDelta, report: PreparedReport) -> tuple[int, bytes | None]:
    if problem.overflow:  # it collects different errors, which may have equal backtraces or none
        return problem.id, report.fingerprint.encode() + (report.digest or b"")
    return problem.id, report.digest
