"""How much an app may send: reports, bytes and processing time per minute, and reports per hour."""

import math
import threading
import time
from collections.abc import Callable

from checkend.exceptions import CheckendError

# What a limit is called in /metrics, and in the answer.
LIMITS = {
    "reports": "too many reports",
    "bytes": "too many bytes of reports",
    "cpu": "the reports took too much processing time",
    "large_reports": "too many large reports at once",
}

# Reports of fewer bytes are small: the CPU time of only one in SAMPLE is measured.
MEASURED_BYTES = 8192
SAMPLE = 16


class RateLimitedError(CheckendError):
    """The app has sent too much. ``limit`` is a key of `LIMITS`; ``retry_after`` is in whole seconds."""

    def __init__(self, limit: str, retry_after: int) -> None:
        why = "" if limit == "reports" else f": {LIMITS[limit]}"
        super().__init__(f"Rate limit exceeded{why}. Retry after {retry_after} seconds.")
        self.limit = limit
        self.retry_after = retry_after


class _Window:
    """What one app has used of one window of ``length`` seconds, which ends at ``ends``."""

    __slots__ = ("bytes", "cpu", "ends", "length", "reports")

    def __init__(self, length: int) -> None:
        self.length = length
        self.ends = -math.inf

    def restart(self, now: float) -> None:
        """Begin the window that ``now`` lies in."""
        self.ends = (now // self.length + 1) * self.length
        self.reports = 0
        self.bytes = 0
        self.cpu = 0.0


class RateLimiter:
    """Count what each app has sent in the running minute and hour. Kept in memory: a restart begins anew.

    ``seconds`` tells the time. It must not follow the system clock: if that were set back, a window would last until
    the clock had caught up.
    """

    def __init__(
        self,
        per_minute: int,
        per_hour: int,
        *,
        bytes_per_minute: float = math.inf,
        cpu_seconds_per_minute: float = math.inf,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._per_hour = per_hour
        self._bytes_per_minute = bytes_per_minute
        self._cpu_per_minute = cpu_seconds_per_minute
        self._seconds = seconds
        self._windows: dict[int, tuple[_Window, _Window]] = {}
        self._guard = threading.Lock()
        self._unmeasured = 0

    def take(self, app_id: int) -> int:
        """Count one report of the app: 0 when it may pass, else the whole seconds after which to try again."""
        now = self._seconds()
        with self._guard:
            windows = self._windows.get(app_id)
            if windows is None:
                windows = self._windows[app_id] = (_Window(60), _Window(3600))
            minute, hour = windows
            if now >= minute.ends:
                minute.restart(now)
                if now >= hour.ends:
                    hour.restart(now)
            ends = 0.0
            if self._exceeded(minute) is not None:
                ends = minute.ends
            if hour.reports >= self._per_hour:
                ends = hour.ends
            if ends:
                return math.ceil(ends - now)
            minute.reports += 1
            hour.reports += 1
            return 0

    def check(self, app_id: int) -> None:
        """Count one report of the app. Raises `RateLimitedError` when it may not pass."""
        if wait := self.take(app_id):
            raise RateLimitedError(self._exceeded(self._windows[app_id][0]) or "reports", wait)

    def _exceeded(self, minute: _Window) -> str | None:
        if minute.reports >= self._per_minute:
            return "reports"
        if minute.bytes >= self._bytes_per_minute:
            return "bytes"
        return "cpu" if minute.cpu >= self._cpu_per_minute else None

    def measure(self, size: int) -> float | None:
        """Begin to process a report of ``size`` bytes; give what this returns to `charge`, in the same thread.

        Reading a thread's CPU clock takes about as long as counting the report. Of the small ones, which all cost
        little, only every sixteenth is measured, and charged for all sixteen.
        """
        if size < MEASURED_BYTES:
            self._unmeasured += 1
            if self._unmeasured < SAMPLE:
                return None
            self._unmeasured = 0
        return time.thread_time()

    def charge(self, app_id: int, size: int, began: float | None) -> None:
        """Charge what a report turned out to cost: its bytes, unpacked, and the CPU time since `measure`."""
        cpu = 0.0
        if began is not None:
            cpu = time.thread_time() - began
            if size < MEASURED_BYTES:
                cpu *= SAMPLE
        with self._guard:
            windows = self._windows.get(app_id)
            if windows is not None:
                windows[0].bytes += size
                windows[0].cpu += cpu
