"""The current time, and the format of times in responses. No other module reads the clock."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """Return the current time: timezone-aware, in UTC, with microseconds."""
    return datetime.now(UTC)


def to_micros(moment: datetime) -> int:
    """Return the whole microseconds from 1970 to a timezone-aware ``moment``; exact, unlike a float timestamp."""
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the time ``micros`` microseconds after 1970, timezone-aware, in UTC."""
    return EPOCH + timedelta(microseconds=micros)


def iso(moment: datetime | None) -> str | None:
    """Return a time as ``2024-01-15T10:30:00Z``, the format of the API: UTC, whole seconds. None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
