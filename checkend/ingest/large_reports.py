"""Large reports: processed one at a time, and never by all request threads for the same app.

Processing a report is pure Python: threads do not make it faster, they only take the interpreter from each other and
from the pages. A small report takes a fraction of a millisecond, so small ones need no rules. One of a megabyte takes a
thousand times as long: a few clients that send nothing else would keep every other request waiting.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from checkend.db.fair_lock import FairLock
from checkend.ingest.rate_limit import RateLimitedError
from checkend.ingest.writer import DatabaseUnavailableError

# A report of at least this many bytes, unpacked, is large.
LARGE_BYTES = 32_768
# How much one app may have in progress at once; a single report may be larger. Half a second of processing at worst.
BYTES_IN_PROGRESS = 2_097_152
# The server is behind when a request waited this many seconds for a thread. Until then an app may use all threads, so
# that a burst from a healthy app is not rejected; from then on half of them.
BACKLOG_SECONDS = 0.25


class LargeReportSlot:
    """A large report's right to be processed; `release` it before waiting for anything, such as the writer."""

    def __init__(self, lock: FairLock) -> None:
        self._lock = lock
        self._held = True

    def release(self) -> None:
        """Let the next large report be processed. Further calls do nothing."""
        if self._held:
            self._held = False
            self._lock.release()


class LargeReportLimiter:
    """Admit large reports: ``threads`` is the number of request threads; with ``limited``, some are rejected."""

    def __init__(self, *, limited: bool, threads: int) -> None:
        self.threads = threads
        self._limited = limited
        self._guard = threading.Lock()
        self._in_progress: dict[int, list[int]] = {}
        self._processing = FairLock()

    @contextmanager
    def admit(self, app_id: int, size: int, waited: float | None, deadline: float) -> Iterator[LargeReportSlot]:
        """Admit a report of ``size`` bytes that ``waited`` seconds for a thread (None: unknown), when its turn comes.

        Raises `RateLimitedError` when the app has too many large reports in progress, `DatabaseUnavailableError` when
        its turn did not come before ``deadline``, a time of time.monotonic().
        """
        self._enter(app_id, size, is_behind=waited is None or waited > BACKLOG_SECONDS)
        try:
            if not self._processing.acquire(max(deadline - time.monotonic(), 0)):
                raise DatabaseUnavailableError("other large reports took too long", "timeout")
            turn = LargeReportSlot(self._processing)
            try:
                yield turn
            finally:
                turn.release()
        finally:
            self._leave(app_id, size)

    def _enter(self, app_id: int, size: int, *, is_behind: bool) -> None:
        with self._guard:
            own = self._in_progress.get(app_id, [])
            if self._limited and self._is_too_much(own, size, is_behind):
                raise RateLimitedError("large_reports", 1)
            self._in_progress.setdefault(app_id, []).append(size)

    def _is_too_much(self, own: list[int], size: int, is_behind: bool) -> bool:
        """Whether an app with ``own`` large reports in progress has to wait before it sends another."""
        if own and sum(own) + size > BYTES_IN_PROGRESS:
            return True
        if not is_behind:
            return False
        everyone = sum(len(sizes) for sizes in self._in_progress.values())
        return len(own) >= max(self.threads // 2, 1) or everyone >= max(self.threads - 1, 1)

    def _leave(self, app_id: int, size: int) -> None:
        with self._guard:
            own = self._in_progress[app_id]
            own.remove(size)
            if not own:
                del self._in_progress[app_id]
