"""What a server counts of its work, and writing it down in the text form that Prometheus reads.

Counting costs about a microsecond: numbers in memory, which begin anew with the process.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500)

Labels = Mapping[str, object]
Sample = tuple[Labels, float]


class Histogram:
    """How many values were at most each of ``bounds``, and their sum. For one thread at a time."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count ``value``."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Metrics:
    """Reports by app, outcome and status, and requests by group and status, counted by any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._reports: dict[tuple[int | None, str, int], int] = {}
        self._rejections: dict[tuple[int, str], int] = {}
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, Histogram] = {}

    def report(self, app_id: int | None, outcome: str, status: int) -> None:
        """Count a report: what became of it, and the status that said so; no app where its key is nobody's."""
        key = (app_id, outcome, status)
        with self._guard:
            self._reports[key] = self._reports.get(key, 0) + 1

    def rejection(self, app_id: int, reason: str) -> None:
        """Count a report that was answered with 429 or 503, and why."""
        key = (app_id, reason)
        with self._guard:
            self._rejections[key] = self._rejections.get(key, 0) + 1

    def request(self, group: str, status: int, seconds: float) -> None:
        """Count an answered request and how long it took."""
        key = (group, status)
        with self._guard:
            self._requests[key] = self._requests.get(key, 0) + 1
            histogram = self._seconds.get(group)
            if histogram is None:
                histogram = self._seconds[group] = Histogram(SECONDS_BUCKETS)
            histogram.add(seconds)

    def reports(self) -> list[tuple[tuple[int | None, str, int], int]]:
        """``((app id, outcome, status), count)``, of all that were counted."""
        with self._guard:
            return list(self._reports.items())

    def rejections(self) -> list[tuple[tuple[int, str], int]]:
        """Return ``((app id, reason), count)`` for all rejected reports."""
        with self._guard:
            return list(self._rejections.items())

    def requests(self) -> list[Sample]:
        """Requests, labelled with group and status."""
        with self._guard:
            return [({"group": group, "status": status}, count) for (group, status), count in self._requests.items()]

    def seconds(self) -> list[tuple[Labels, Histogram]]:
        """The time of requests, labelled with the group."""
        with self._guard:
            return [({"group": group}, histogram) for group, histogram in self._seconds.items()]


class MetricsPage:
    """A page in Prometheus' text form (version 0.0.4), written from top to bottom."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def number(self, name: str, kind: str, help: str, samples: Iterable[Sample] | float) -> None:
        """A ``counter`` or ``gauge``: one number, or one for each set of labels."""
        self._head(name, kind, help)
        for labels, value in [({}, samples)] if isinstance(samples, int | float) else samples:
            self._sample(name, labels, value)

    def histogram(self, name: str, help: str, histograms: Iterable[tuple[Labels, Histogram]]) -> None:
        """One histogram, or one for each set of labels."""
        self._head(name, "histogram", help)
        for labels, histogram in histograms:
            so_far = 0
            for bound, count in zip((*histogram.bounds, "+Inf"), list(histogram.counts), strict=True):
                so_far += count
                self._sample(f"{name}_bucket", {**labels, "le": bound}, so_far)
            self._sample(f"{name}_sum", labels, histogram.sum)
            self._sample(f"{name}_count", labels, so_far)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def _head(self, name: str, kind: str, help: str) -> None:
        self._lines += [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]

    def _sample(self, name: str, labels: Labels, value: float) -> None:
        written = ",".join(f'{label}="{_escaped(str(text))}"' for label, text in labels.items())
        self._lines.append(f"{name}{{{written}}} {value}" if written else f"{name} {value}")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
