"""Storage limits: problems and bytes per app, and each app's share of a database that is nearly full."""

from collections import Counter
from dataclasses import dataclass

from checkend.db.connection import DatabaseConnection
from checkend.ingest.exceptions import StorageLimitError
from checkend.models.storage import PROBLEM_BYTES

RETRY_AFTER_SECONDS = 10
# The rest of MAX_STORE_BYTES, the reserve, is only for apps that use less than the average. Retention starts to free
# space at nine tenths, so only a flood of reports can reach the reserve.
RESERVED_FROM = 0.95
# The share of the remaining reserve that one app may use until retention has freed space.
RESERVE_SHARE = 0.5

# The problem that collects the reports that would open a problem beyond the limit. Custom fingerprints are stripped of
# white space, so no report can have this fingerprint.
OVERFLOW_FINGERPRINT = " overflow"
OVERFLOW_CLASS = "Too many problems"
OVERFLOW_REASON = "Reports that would have opened another problem when the app had its maximum number of problems."


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """The maximum of an app's problems and bytes, and of the size of the database file; 0 means unlimited."""

    app_problems: int = 0
    app_bytes: int = 0
    store_bytes: int = 0

    def overflow_message(self) -> str:
        """Return the message of the problem that collects the reports beyond ``app_problems``."""
        return (
            f"This app has {self.app_problems:,} problems, the maximum that CHECKEND_MAX_APP_PROBLEMS allows. Reports "
            "that would open another one are collected here; each notice has its own class, message and stack trace. "
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
    """Enforcement of the limits within one batch of reports. Not thread-safe."""

    def __init__(self, connection: DatabaseConnection, limits: StorageLimits, reserve_used: Counter[int]) -> None:
        """``reserve_used`` contains the bytes of the reserve that each app uses; it is shared by all batches."""
        self._connection = connection
        self._limits = limits
        self._reserve_used = reserve_used
        self._usage: dict[int, _Usage] = {}
        self._remaining: int | None = None
        self.stored: Counter[int] = Counter()
        self.opened: Counter[int] = Counter()

    def start(self, app_id: int, problems: int, stored_bytes: int) -> None:
        """Set the app's usage before the batch."""
        self._usage.setdefault(app_id, _Usage(problems, stored_bytes))

    def has_all_problems(self, app_id: int) -> bool:
        """Return whether the app has its maximum number of problems."""
        return 0 < self._limits.app_problems <= self._usage[app_id].problems

    def check(self, app_id: int, size: int) -> StorageLimitError | None:
        """Return an error if the app may not store another notice of ``size`` bytes now, else None."""
        limits, usage = self._limits, self._usage[app_id]
        if limits.app_bytes and usage.used_bytes + size > limits.app_bytes:
            return StorageLimitError(
                f"This app uses all of the {limits.app_bytes:,} bytes that CHECKEND_MAX_APP_BYTES allows. Its oldest "
                f"notices are being deleted. Retry after {RETRY_AFTER_SECONDS} seconds."
            )
        if not limits.store_bytes or self._remaining_bytes() >= size:
            return None
        if usage.used_bytes + size > self._average():
            return StorageLimitError(
                "The database is nearly full, and this app uses more of it than the average. Its oldest notices are "
                f"being deleted. Retry after {RETRY_AFTER_SECONDS} seconds."
            )
        reserve = self._remaining_bytes() + limits.store_bytes * (1 - RESERVED_FROM)
        if self._reserve_used[app_id] + size > reserve * RESERVE_SHARE:
            return StorageLimitError(
                "The database is nearly full, and this app has used its share of the remaining space. Old notices are "
                "being deleted. "
                f"Retry after {RETRY_AFTER_SECONDS} seconds."
            )
        return None

    def add_problem(self, app_id: int) -> None:
        """Count a new problem."""
        self._usage[app_id].problems += 1
        self.opened[app_id] += 1
        self._use_space(app_id, PROBLEM_BYTES)

    def add_bytes(self, app_id: int, size: int) -> None:
        """Count ``size`` bytes that were stored."""
        self._usage[app_id].stored_bytes += size
        self.stored[app_id] += size
        self._use_space(app_id, size)

    def _use_space(self, app_id: int, size: int) -> None:
        if self._remaining is not None:
            self._remaining -= size
            if self._remaining < 0:
                self._reserve_used[app_id] += size

    def _remaining_bytes(self) -> int:
        """Return how many bytes the database may still grow before the reserve is used; negative within the reserve."""
        if self._remaining is None:
            pages, free, page_bytes = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            self._remaining = int(self._limits.store_bytes * RESERVED_FROM - (pages - free) * page_bytes)
            if self._remaining > 0:
                self._reserve_used.clear()
        return self._remaining

    def _average(self) -> float:
        """Return the bytes that an app uses on average. The largest app never uses less, so it is always limited."""
        (average,) = self._connection.execute(
            f"SELECT coalesce(avg(stored_bytes + problems_count * {PROBLEM_BYTES}), 0) FROM apps"
        ).fetchone()
        return float(average)
