"""A problem within a batch of reports, and what the batch adds to it."""

from dataclasses import dataclass, field

from checkend.ingest.reports import PreparedReport
from checkend.models.counters import MINUTE

HOUR = 3_600_000_000  # µs
FIRST_THRESHOLD = 10  # occurrences; further ones are 100, 1,000 and so on

Origin = tuple[PreparedReport, int]  # the report that caused an event, and its notice or that it is a duplicate of


@dataclass(slots=True)
class Mute:
    """The mute of a problem within a batch: since when, the terms at which it ends, and the reports of the batch."""

    since: int
    total: int | None
    rate: int | None
    rate_minutes: int
    until_release: bool
    origins: list[Origin] = field(default_factory=list)


@dataclass(slots=True)
class ProblemDelta:
    """A problem within a batch, and what the batch adds to it. Times are in µs.

    ``occurrences`` includes those before the batch; ``reached`` is the highest power of ten that they reach within it.
    ``minutes`` counts reports by the time of their arrival.
    """

    id: int
    app_id: int
    error_class: str
    error_message: str
    resolved: bool
    first: int
    last: int
    latest_message: str
    level: str | None
    search_pending: bool = False
    relabeled: bool = False
    level_changed: bool = False
    overflow: bool = False
    is_new: bool = False
    notices: int = 0
    duplicates: int = 0
    reopened_at: int | None = None
    hours: dict[int, int] = field(default_factory=dict)
    facets: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    occurrences: int = 0
    next_threshold: int = FIRST_THRESHOLD
    reached: tuple[int, Origin] | None = None
    mute: Mute | None = None
    counts_minutes: bool = False
    minutes: dict[int, int] = field(default_factory=dict)
    received_at: int = 0

    def add(self, report: PreparedReport, notice_id: int) -> None:
        """Count an occurrence. ``notice_id`` is the report's notice, or the one that it is a duplicate of."""
        at = report.occurred_at
        self.first = min(self.first, at)
        self.last = max(self.last, at)
        hour = at - at % HOUR
        self.hours[hour] = self.hours.get(hour, 0) + 1
        self.facets.append(report.facets)
        if report.tags:
            self.tags.update(report.tags)
        self.received_at = report.received_at
        self.occurrences += 1
        if self.occurrences == self.next_threshold:
            self.reached = self.next_threshold, (report, notice_id)
            self.next_threshold *= 10
        if self.counts_minutes:
            minute = report.received_at - report.received_at % MINUTE
            self.minutes[minute] = self.minutes.get(minute, 0) + 1
        if self.mute is not None:
            self.mute.origins.append((report, notice_id))
