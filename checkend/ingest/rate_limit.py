"""Rate limiter for ingestion: reports, bytes and CPU time per app and minute, and reports per hour."""

import math
import threading
import time
from collections.abc import Callable

from checkend.ingest.exceptions import RateLimitedError

MEASURED_BYTES = 8192  # the CPU time of every report of at least this size is measured
HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
SAMPLE = 16  # the CPU time of one smaller report in this many is measured


class _Window:
    """One app's usage within a fixed window of ``length`` seconds, which ends at ``ends``."""

    __slots__ = ("bytes", "cpu", "ends", "length", "reports")

    def __init__(self, length: int) -> None:
        self.length = length
        self.ends = -math.inf

    def restart(self, now: float) -> None:
        """Begin the window that contains ``now``."""
        self.ends = (now // self.length + 1) * self.length
        self.reports = 0
        self.bytes = 0
        self.cpu = 0.0


class RateLimiter:
    """Count what each app sends in the current minute and hour. Thread-safe. A restart resets all counts.

    ``seconds`` returns the time. It must not follow the system clock: if that were set back, a window would last until
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
        self._lock = threading.Lock()
        self._unmeasured = 0

    def take(self, app_id: int) -> int:
        """Count one report of the app. Return 0 if it is within the limits, else the seconds until the next attempt."""
        now = self._seconds()
        with self._lock:
            minute, hour = self._current_windows(app_id, now)
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
        """Count one report of the app. Raises `RateLimitedError` if it exceeds a limit."""
        if wait := self.take(app_id):
            raise RateLimitedError(self._exceeded(self._windows[app_id][0]) or "reports", wait)

    def headers(self, app_id: int) -> list[tuple[str, str]]:
        """Return the ``RateLimit`` headers of a response: those of the window in which the app may send fewer reports.

        They are the limit, the reports that remain, and the seconds until the window ends. When the app has used up
        its bytes or CPU time, none remain in the minute.
        """
        now = self._seconds()
        with self._lock:
            minute, hour = self._current_windows(app_id, now)
            limit, ends = self._per_minute, minute.ends
            remaining = 0 if self._exceeded(minute) else self._per_minute - minute.reports
            if self._per_hour - hour.reports <= remaining:
                limit, remaining, ends = self._per_hour, self._per_hour - hour.reports, hour.ends
        values = (limit, max(remaining, 0), math.ceil(ends - now))
        return [(name, str(value)) for name, value in zip(HEADERS, values, strict=True)]

    def _current_windows(self, app_id: int, now: float) -> tuple[_Window, _Window]:
        windows = self._windows.get(app_id)
        if windows is None:
            windows = self._windows[app_id] = (_Window(60), _Window(3600))
        minute, hour = windows
        if now >= minute.ends:
            minute.restart(now)
            if now >= hour.ends:
                hour.restart(now)
        return windows

    def _exceeded(self, minute: _Window) -> str | None:
        if minute.reports >= self._per_minute:
            return "reports"
        if minute.bytes >= self._bytes_per_minute:
            return "bytes"
        return "cpu" if minute.cpu >= self._cpu_per_minute else None

    def measure(self, size: int) -> float | None:
        """Start measuring the CPU time of a report of ``size`` bytes; pass the result to `charge` in the same thread.

        Reading a thread's CPU clock takes about as long as counting the report. Of the small reports, which are all
        cheap, only every sixteenth is measured, and charged for all sixteen.
        """
        if size < MEASURED_BYTES:
            self._unmeasured += 1
            if self._unmeasured < SAMPLE:
                return None
            self._unmeasured = 0
        return time.thread_time()

    def charge(self, app_id: int, size: int, started: float | None) -> None:
        """Charge the app for the uncompressed ``size`` of a report in bytes, and for the CPU time since `measure`."""
        cpu = 0.0
        if started is not None:
            cpu = time.thread_time() - started
            if size < MEASURED_BYTES:
                cpu *= SAMPLE
        with self._lock:
            windows = self._windows.get(app_id)
            if windows is not None:
                windows[0].bytes += size
                windows[0].cpu += cpu
