"""What one app may use of the store: so many problems, so many bytes, and less than others of a store that is full."""

from collections import Counter
from dataclasses import dataclass

from checkend.db.connection import DatabaseConnection
from checkend.exceptions import CheckendError
from checkend.models.storage import PROBLEM_BYTES

RETRY_AFTER_SECONDS = 10
# Of MAX_STORE_BYTES: what lies above it is kept for the apps that use less than the average. Retention begins to make
# room at nine tenths, so that only a flood comes near this.
RESERVED_FROM = 0.95
# Of what is left of that reserve, one app may take this share until retention has made room.
RESERVE_SHARE = 0.5

# Where reports go that would open a problem beyond the limit. Clients' fingerprints are stripped of white space, so no
# report has this one itself.
OVERFLOW_FINGERPRINT = " overflow"
OVERFLOW_CLASS = "Too many problems"
OVERFLOW_REASON = "Reports that would have opened another problem when the app had as many as it may have."


class StorageLimitError(CheckendError):
    """The report was not stored because its app uses too much of the store; the text says so to the client."""


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """The most that an app may use, and the size of the whole store that is never exceeded; 0 for no limit."""

    app_problems: int = 0
    app_bytes: int = 0
    store_bytes: int = 0

    def overflow_message(self) -> str:
        """Return the message of the problem that collects what is beyond ``app_problems``."""
        return (
            f"This app has {self.app_problems:,} problems, as many as CHECKEND_MAX_APP_PROBLEMS allows. Reports that "
            "would open another one are collected here; each notice has its own class, message and stack trace. "
            "Delete problems that are no longer needed, improve their grouping, or raise the limit."
        )


@dataclass(slots=True)
class _Usage:
    problems: int
    stored_bytes: int

    @property
    def used_bytes(self) -> int:
        return self.stored_bytes + self.problems * PROBLEM_BYTES


class Quota:
    """The limits within one batch of reports. Not thread-safe."""

    def __init__(self, connection: DatabaseConnection, limits: StorageLimits, reserve_taken: Counter[int]) -> None:
        """``reserve_taken`` has the bytes that each app took of the reserve; it is kept from batch to batch."""
        self._connection = connection
        self._limits = limits
        self._reserve_taken = reserve_taken
        self._usage: dict[int, _Usage] = {}
        self._room: int | None = None
        self.stored: Counter[int] = Counter()
        self.opened: Counter[int] = Counter()

    def start(self, app_id: int, problems: int, stored_bytes: int) -> None:
        """Note what the app uses before the batch."""
        self._usage.setdefault(app_id, _Usage(problems, stored_bytes))

    def has_all_problems(self, app_id: int) -> bool:
        """Return whether the app may not have another problem."""
        return 0 < self._limits.app_problems <= self._usage[app_id].problems

    def check(self, app_id: int, size: int) -> StorageLimitError | None:
        """Return why the app may not store another notice of ``size`` bytes now, or None when it may."""
        limits, usage = self._limits, self._usage[app_id]
        if limits.app_bytes and usage.used_bytes + size > limits.app_bytes:
            return StorageLimitError(
                f"This app uses all of the {limits.app_bytes:,} bytes that CHECKEND_MAX_APP_BYTES allows. Its oldest "
                f"notices are being removed. Retry after {RETRY_AFTER_SECONDS} seconds."
            )
        if not limits.store_bytes or self._room_left() >= size:
            return None
        if usage.used_bytes + size > self._average():
            return StorageLimitError(
                "The database is nearly full, and this app uses more of it than others. Its oldest notices are "
                f"being removed. Retry after {RETRY_AFTER_SECONDS} seconds."
            )
        left = self._room_left() + limits.store_bytes * (1 - RESERVED_FROM)
        if self._reserve_taken[app_id] + size > left * RESERVE_SHARE:
            return StorageLimitError(
                "The database is nearly full, and this app has taken its share of what is left. Room is being made. "
                f"Retry after {RETRY_AFTER_SECONDS} seconds."
            )
        return None

    def add_problem(self, app_id: int) -> None:
        """Count a problem that was opened."""
        self._usage[app_id].problems += 1
        self.opened[app_id] += 1
        self._take_room(app_id, PROBLEM_BYTES)

    def add_bytes(self, app_id: int, size: int) -> None:
        """Count ``size`` bytes that were stored."""
        self._usage[app_id].stored_bytes += size
        self.stored[app_id] += size
        self._take_room(app_id, size)

    def _take_room(self, app_id: int, size: int) -> None:
        if self._room is not None:
            self._room -= size
            if self._room < 0:
                self._reserve_taken[app_id] += size

    def _room_left(self) -> int:
        """Return by how many bytes the store may still grow before its reserve is used."""
        if self._room is None:
            pages, free, page_bytes = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            self._room = int(self._limits.store_bytes * RESERVED_FROM - (pages - free) * page_bytes)
            if self._room > 0:
                self._reserve_taken.clear()
        return self._room

    def _average(self) -> float:
        """Return how many bytes an app uses on average: at least one app, the largest, uses no less."""
        (average,) = self._connection.execute(
            f"SELECT coalesce(avg(stored_bytes + problems_count * {PROBLEM_BYTES}), 0) FROM apps"
        ).fetchone()
        return float(average)
