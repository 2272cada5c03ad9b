"""A report on its way to the database: request body, `NormalizedReport`, `PreparedReport`, `IngestResult`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checkend.models.level import DEFAULT_LEVEL


@dataclass(slots=True)
class NormalizedReport:
    """A report in the one form that all SDKs' forms are converted to.

    ``backtrace`` is unchanged; ``details`` contains ``context``, ``request``, ``user`` and ``notifier``.
    """

    error_class: str
    error_message: str
    backtrace: Any
    fingerprint: str | None
    tags: tuple[str, ...]
    occurred_at: datetime
    details: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class IngestApp:
    """The app that an ingestion key belongs to, with the settings that ingestion needs."""

    ingestion_key: str
    app_id: int
    environment: str | None
    disabled_rules: frozenset[str]
    counts_minutes: bool = False  # a channel is notified of spikes


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """The scrubbed content of a report, and how it was grouped: what is needed to store it, but not to count it."""

    grouping_version: int
    grouping_reason: str
    location: str
    details: dict[str, Any]
    backtrace: list[Any]


@dataclass(slots=True)
class PreparedReport:
    """A report ready for the database. Times are in µs. Without ``content`` it can only be counted, as a duplicate."""

    app: IngestApp
    fingerprint: str
    error_class: str
    error_message: str
    digest: bytes | None
    tags: tuple[str, ...]
    facets: tuple[tuple[str, str], ...]
    occurred_at: int
    received_at: int
    content: NoticeContent | None = None
    level: str = DEFAULT_LEVEL


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The outcome of a report. ``notice_id`` is its own notice, or the notice that it is a duplicate of."""

    notice_id: int
    problem_id: int
    deduplicated: bool
    occurrence_count: int
    opened: bool = False
    reopened: bool = False
