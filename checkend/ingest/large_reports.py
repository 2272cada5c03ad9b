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
from checkend.ingest.exceptions import DatabaseUnavailableError, RateLimitedError

LARGE_BYTES = 32_768  # the size, uncompressed, from which a report is large
# Limit on the bytes of one app's large reports in progress: at worst half a second of processing. A single report may
# be larger.
MAX_BYTES_IN_PROGRESS = 2_097_152
# The server is behind when a request waited longer than this for a thread. Until then an app may use all threads, so
# that a burst from a healthy app is not rejected; after that, half of them.
BACKLOG_SECONDS = 0.25


class LargeReportSlot:
    """The permission to process a large report. `release` it before waiting for anything, such as the writer."""

    def __init__(self, lock: FairLock) -> None:
        self._lock = lock
        self._held = True

    def release(self) -> None:
        """Let the next large report be processed. Further calls do nothing."""
        if self._held:
            self._held = False
            self._lock.release()


class LargeReportLimiter:
    """Process large reports one at a time; reject some if ``limited``. ``threads`` is the number of request threads."""

    def __init__(self, *, limited: bool, threads: int) -> None:
        self.threads = threads
        self._limited = limited
        self._lock = threading.Lock()
        self._in_progress: dict[int, list[int]] = {}
        self._processing = FairLock()

    @contextmanager
    def admit(self, app_id: int, size: int, waited: float | None, deadline: float) -> Iterator[LargeReportSlot]:
        """Wait until no other large report is processed, then admit one of ``size`` bytes.

        ``waited`` is how many seconds it waited for a thread (None: unknown), ``deadline`` a time of time.monotonic().

        Raises `RateLimitedError` when the app has too many large reports in progress, `DatabaseUnavailableError` at the
        deadline.
        """
        self._enter(app_id, size, is_behind=waited is None or waited > BACKLOG_SECONDS)
        try:
            if not self._processing.acquire(max(deadline - time.monotonic(), 0)):
                raise DatabaseUnavailableError("other large reports took too long", "timeout")
            slot = LargeReportSlot(self._processing)
            try:
                yield slot
            finally:
                slot.release()
        finally:
            self._leave(app_id, size)

    def _enter(self, app_id: int, size: int, *, is_behind: bool) -> None:
        with self._lock:
            own = self._in_progress.get(app_id, [])
            if self._limited and self._is_too_much(own, size, is_behind):
                raise RateLimitedError("large_reports", 1)
            self._in_progress.setdefault(app_id, []).append(size)

    def _is_too_much(self, own: list[int], size: int, is_behind: bool) -> bool:
        """Return whether an app with large reports of ``own`` bytes each in progress may not send another."""
        if own and sum(own) + size > MAX_BYTES_IN_PROGRESS:
            return True
        if not is_behind:
            return False
        total = sum(len(sizes) for sizes in self._in_progress.values())
        return len(own) >= max(self.threads // 2, 1) or total >= max(self.threads - 1, 1)

    def _leave(self, app_id: int, size: int) -> None:
        with self._lock:
            own = self._in_progress[app_id]
            own.remove(size)
            if not own:
                del self._in_progress[app_id]
