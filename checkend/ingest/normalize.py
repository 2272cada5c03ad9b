"""Convert a report from any SDK's form to a `NormalizedReport`.

No part of a report is dropped, and no error is lost because of a detail: a value of an unexpected type is kept as well
as possible. Only a body that is not a JSON object and a report without a class are rejected.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from checkend.ingest.exceptions import InvalidReportError, MalformedReportError
from checkend.ingest.reports import NormalizedReport
from checkend.models.tag import coerce_tag_name, normalize_tag_name

MAX_TAGS = 50
_MAX_TIME_LENGTH = 64  # characters of a time sent as text
_MAX_TAGS_READ = 1000  # further ones are kept in the context without being read
_MAX_TAG_LENGTH_READ = 1000  # characters of a tag, of which at most 50 become its name
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def normalize_report(payload: Any, received_at: datetime) -> NormalizedReport:
    """Convert a JSON value to a `NormalizedReport`.

    Raises `MalformedReportError` when it is not an object, `InvalidReportError` when it has no class.
    """
    if not isinstance(payload, dict):
        raise MalformedReportError("Request body must be a JSON object")
    fields = _PayloadFields(payload)
    error_class = _text(fields.pop("class", "error_class")).strip()
    if not error_class:
        raise InvalidReportError("error.class is required")
    backtrace = fields.pop("backtrace")
    if isinstance(backtrace, str):  # such as JavaScript's `Error.stack` or a printed traceback
        backtrace = [line for line in backtrace.splitlines() if line.strip()]
    return NormalizedReport(
        error_class=error_class,
        error_message=_text(fields.pop("message", "error_message")),
        backtrace=backtrace,
        fingerprint=_text(fields.pop("fingerprint")).strip() or None,
        tags=_pop_tags(fields),
        occurred_at=_pop_time(fields, received_at),
        details=_pop_details(fields),  # last, since it contains all remaining fields
    )


class _PayloadFields:
    """The fields of a payload that have not been read yet: those in its ``error`` object, if any, and the others."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.top_level = dict(payload)
        nested = self.top_level.get("error")
        self.error: dict[str, Any] = dict(self.top_level.pop("error")) if isinstance(nested, dict) else {}

    def pop(self, *names: str) -> Any:
        """Remove and return the first of ``names`` that is present, and remove equal values under the others."""
        value = None
        for fields in (self.error, self.top_level):
            for name in names:
                if value is None:
                    value = fields.pop(name, None)
                elif fields.get(name) == value:
                    del fields[name]
        return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _pop_tags(fields: _PayloadFields) -> tuple[str, ...]:
    """Return the normalized tags. Tags that are changed by more than case, or are too many, also stay in ``fields``."""
    names: dict[str, None] = {}
    remaining: list[Any] = []
    for tags in (fields.pop("tags"), fields.pop("tags")):
        listed = tags if isinstance(tags, list) else [tags]
        remaining += listed[_MAX_TAGS_READ:]
        for tag in listed[:_MAX_TAGS_READ]:
            if tag in (None, "", {}):
                continue
            text = _text(tag)
            name = coerce_tag_name(text[:_MAX_TAG_LENGTH_READ])
            if name and len(names) < MAX_TAGS:
                names[name] = None
            if name != normalize_tag_name(text) or name not in names:
                remaining.append(tag)
    if remaining:
        fields.error["tags"] = remaining
    return tuple(names)


def _pop_time(fields: _PayloadFields, received_at: datetime) -> datetime:
    """Return the time of the error.

    A time that cannot be parsed or is in the future stays in ``fields``, and the time of receipt replaces it.
    """
    value = fields.pop("occurred_at")
    try:
        occurred_at = _parse_time(value)
    except (ValueError, OverflowError, OSError):
        occurred_at = None
    if occurred_at is not None and _EARLIEST <= occurred_at <= received_at:
        return occurred_at
    if value is not None:
        fields.error["occurred_at"] = value
    return received_at


def _parse_time(value: Any) -> datetime | None:
    if isinstance(value, str):
        time = _parse_time_text(value.strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000 if value > 100_000_000_000 else value, UTC)
    return None


def _parse_time_text(text: str) -> datetime:
    """Parse ISO 8601, ``2025-01-01 12:00:00 UTC`` or ``+0000`` (Ruby's `Time#to_s`), or RFC 1123. Raises ValueError."""
    if len(text) > _MAX_TIME_LENGTH:
        raise ValueError("too long for a time")
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    start, _, zone = text.rpartition(" ")
    if zone == "UTC" or zone.startswith(("+", "-")):
        with suppress(ValueError):
            return datetime.fromisoformat(start + zone.replace("UTC", "Z"))
    time: datetime | None = None
    with suppress(ValueError, IndexError, TypeError):  # the last two for some malformed dates
        time = parsedate_to_datetime(text)
    if time is None:
        raise ValueError("not a time in any of the accepted formats")
    return time


def _pop_details(fields: _PayloadFields) -> dict[str, dict[str, Any]]:
    """Return the four free-form objects. Unknown fields become part of the context, under their own names."""
    details = {
        "context": _object(fields.top_level.pop("context", None)),
        "request": _object(fields.top_level.pop("request", None)),
        "user": _object(fields.pop("user", "user_info")),
        "notifier": _object(fields.top_level.pop("notifier", None)),
    }
    context = details["context"]
    for name, value in fields.top_level.items():
        if value is not None and name in context and context[name] != value:
            _object_in(context, "report")[name] = value
        elif value is not None:
            context[name] = value
    for name, value in fields.error.items():
        if value is not None:
            _object_in(context, "error")[name] = value
    return details


def _object_in(context: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object ``name`` in ``context``, which is created if necessary; a value of another type is kept."""
    context[name] = _object(context.get(name))
    value: dict[str, Any] = context[name]
    return value


def _object(value: Any) -> dict[str, Any]:
    """Return an object for a value that should be one: PHP sends empty objects as lists, other clients send text."""
    if isinstance(value, dict):
        return value
    return {"value": value} if value not in (None, [], "") else {}
