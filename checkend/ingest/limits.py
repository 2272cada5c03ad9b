"""How much an app may send: reports, bytes and processing time per minute, and reports per hour."""

import math
import threading
import time
from collections.abc import Callable

# What a limit is called in /metrics, and in the answer.
LIMITS = {
    "reports": "too many reports",
    "bytes": "too many bytes of reports",
    "cpu": "the reports took too much processing time",
    "large_reports": "too many large reports at once",
}


class RateLimitedError(Exception):
    """The app has sent too much. ``limit`` is a key of `LIMITS`; ``retry_after`` is in whole seconds."""

    def __init__(self, limit: str, retry_after: int) -> None:
        why = "" if limit == "reports" else f": {LIMITS[limit]}"
        super().__init__(f"Rate limit exceeded{why}. Retry after {retry_after} seconds.")
        self.limit = limit
        self.retry_after = retry_after


class _Usage:
    """What one app has used of one window of time."""

    __slots__ = ("bytes", "cpu", "reports", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.reports = 0
        self.bytes = 0
        self.cpu = 0.0


class RateLimiter:
    """Count what each app has sent in the running minute and hour. Kept in memory: a restart begins anew.

    The limits are inclusive; ``seconds`` tells the time. It must not follow the system clock: if that were set back, a
    window would last until the clock had caught up.
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
        self._limits = (
            (60, per_minute, bytes_per_minute, cpu_seconds_per_minute),
            (3600, per_hour, math.inf, math.inf),
        )
        self._seconds = seconds
        self._usage: dict[int, tuple[_Usage, _Usage]] = {}
        self._guard = threading.Lock()

    def take(self, app_id: int) -> int:
        """Count one report of the app: 0 when it may pass, else the whole seconds after which to try again."""
        now = self._seconds()
        with self._guard:
            usages = self._usage.get(app_id)
            if usages is None:
                usages = self._usage[app_id] = (_Usage(-1), _Usage(-1))
            wait = 0
            for usage, (length, reports, size, cpu) in zip(usages, self._limits, strict=True):
                window = int(now // length)
                if usage.window != window:
                    usage.window, usage.reports, usage.bytes, usage.cpu = window, 0, 0, 0.0
                if usage.reports >= reports or usage.bytes >= size or usage.cpu >= cpu:
                    wait = max(wait, math.ceil((window + 1) * length - now))
            if not wait:
                for usage in usages:
                    usage.reports += 1
            return wait

    def check(self, app_id: int) -> None:
        """Count one report of the app. Raises `RateLimitedError` when it may not pass."""
        if wait := self.take(app_id):
            raise RateLimitedError(self._exceeded(app_id), wait)

    def charge(self, app_id: int, size: int, cpu_seconds: float) -> None:
        """Charge what a report turned out to cost: its bytes, unpacked, and the CPU time of its processing."""
        with self._guard:
            usages = self._usage.get(app_id)
            if usages is not None:
                usages[0].bytes += size
                usages[0].cpu += cpu_seconds

    def _exceeded(self, app_id: int) -> str:
        _, _, size, cpu = self._limits[0]
        minute = self._usage[app_id][0]
        if minute.bytes >= size:
            return "bytes"
        return "cpu" if minute.cpu >= cpu else "reports"
