"""The exceptions of ingestion. `routes` turns all but the last two into responses."""

from checkend.exceptions import CheckendError

RATE_LIMITS = {  # the name of each limit in /metrics, and in the response
    "reports": "too many reports",
    "bytes": "too many bytes of reports",
    "cpu": "the reports took too much processing time",
    "large_reports": "too many large reports at once",
}


class UnknownKeyError(CheckendError):
    """The ingestion key belongs to no app (401)."""


class MalformedReportError(CheckendError):
    """The request body is not a JSON object (400)."""


class InvalidReportError(CheckendError):
    """The report lacks a required field (422)."""


class ReportRejectedError(CheckendError):
    """The database rejects this report, but accepts others (422)."""


class RateLimitedError(CheckendError):
    """The app has sent too much (429). ``limit`` is a key of `RATE_LIMITS`; ``retry_after`` is in whole seconds."""

    def __init__(self, limit: str, retry_after: int) -> None:
        reason = "" if limit == "reports" else f": {RATE_LIMITS[limit]}"
        super().__init__(f"Rate limit exceeded{reason}. Retry after {retry_after} seconds.")
        self.limit = limit
        self.retry_after = retry_after


class StorageLimitError(CheckendError):
    """The app uses too much of the database (429). The client receives the text."""


class DatabaseUnavailableError(CheckendError):
    """The report was not stored, and may be sent again (503). ``reason`` is the label in /metrics."""

    def __init__(self, message: str, reason: str = "database") -> None:
        super().__init__(message)
        self.reason = reason


class StaleKeyError(CheckendError):
    """The ingestion key or its app's settings changed while the report was processed; it was not stored."""


class NotDuplicateError(CheckendError):
    """The report was prepared as a duplicate, to be counted only, but has to be stored."""
