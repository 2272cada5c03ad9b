"""Counters of what this process has done: numbers in memory that start at zero with the process.

These are not the metrics of prometheus-client, because they are updated with every request: counting takes about a
microsecond here. `checkend.telemetry.exposition` converts them when /metrics is read.
"""

import threading
from bisect import bisect_left
from collections.abc import Sequence

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500)


class Histogram:
    """The number of values up to each of ``bounds``, and their sum. Only one thread at a time may add values."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count ``value``."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Metrics:
    """Counters of reports and requests. Safe for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reports: dict[tuple[int | None, str, int], int] = {}
        self._rejections: dict[tuple[int, str], int] = {}
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, Histogram] = {}

    def report(self, app_id: int | None, outcome: str, status: int) -> None:
        """Count a report by its outcome and the status of the response. Without a known key, ``app_id`` is None."""
        key = (app_id, outcome, status)
        with self._lock:
            self._reports[key] = self._reports.get(key, 0) + 1

    def rejection(self, app_id: int, reason: str) -> None:
        """Count a report that was rejected with 429 or 503, by reason."""
        key = (app_id, reason)
        with self._lock:
            self._rejections[key] = self._rejections.get(key, 0) + 1

    def request(self, group: str, status: int, seconds: float) -> None:
        """Count a request, and the seconds until its response began."""
        key = (group, status)
        with self._lock:
            self._requests[key] = self._requests.get(key, 0) + 1
            histogram = self._seconds.get(group)
            if histogram is None:
                histogram = self._seconds[group] = Histogram(SECONDS_BUCKETS)
            histogram.add(seconds)

    def reports(self) -> list[tuple[tuple[int | None, str, int], int]]:
        """Return ``((app id, outcome, status), count)`` for all reports."""
        with self._lock:
            return list(self._reports.items())

    def rejections(self) -> list[tuple[tuple[int, str], int]]:
        """Return ``((app id, reason), count)`` for all rejected reports."""
        with self._lock:
            return list(self._rejections.items())

    def requests(self) -> list[tuple[tuple[str, int], int]]:
        """Return ``((route group, status), count)`` for all requests."""
        with self._lock:
            return list(self._requests.items())

    def seconds(self) -> list[tuple[str, Histogram]]:
        """Return ``(route group, histogram)`` of the seconds until responses began."""
        with self._lock:
            return list(self._seconds.items())
