"""From the bytes of a request to one `Report`, whichever of the SDKs' forms they have.

Nothing that was sent is dropped, and no error is lost to a detail: what has another type than expected is kept as
well as it can be. Only a body that is no JSON object, and a report without a class, are refused.
"""

import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from checkend.exceptions import CheckendError
from checkend.models.tag import coerce_tag_name, normalize_tag_name
from checkend.scrubbing.size_limits import limit_items

# Every digit as 0 and everything else as a blank: 19 digits in a row are then found without a regular expression.
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_LONG_NUMBER = b"0" * 19
_MAX_INT_DIGITS = 4000  # digits; Python refuses to read, and to write, integers of more than 4,300
_LARGE = 65_536  # bytes
MAX_TAGS = 50
MAX_TIME = 64  # characters of a time that is sent as text
_READ_TAGS = 1000  # of more the first 1,000 are looked at
_READ_TAG = 1000  # characters of a tag, of which at most 50 become its name
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class MalformedReportError(CheckendError):
    """The body is no JSON object (answered 400)."""


class InvalidReportError(CheckendError):
    """The report lacks what it cannot be without (answered 422)."""


@dataclass(slots=True)
class Report:
    """One reported error. ``backtrace`` is as it was sent; ``details`` has context, request, user and notifier."""

    error_class: str
    error_message: str
    backtrace: Any
    fingerprint: str | None
    tags: tuple[str, ...]
    occurred_at: datetime
    details: dict[str, dict[str, Any]]


def read_json(body: bytes, most_items: int = 12_000) -> Any:
    """The value in ``body``, read leniently: raw control characters, NaN, lone surrogates and bad UTF-8 pass.

    Numbers keep all their digits. Beyond ``most_items`` keys and items the rest is left out, and marked.

    Raises `MalformedReportError`.
    """
    if len(body) < _LARGE:
        return _read(body, 0)
    items = body.count(b",") + body.count(b"[") + body.count(b"{")
    with _without_collecting():
        return _read(body, most_items if items > most_items else 0)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Keep the garbage collector from running: it would go through the objects of a large body ten times over.

    It works for the whole process. When threads overlap, the first that leaves lets the collector run again, and the
    other is only slower: a thread that found it off leaves it as it is.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(body: bytes, most_items: int) -> Any:
    digits = body.translate(_DIGITS)
    if _LONG_NUMBER not in digits:  # orjson would round integers of more than 64 bits
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(body)
            return limit_items(value, most_items) if most_items else value
    try:
        value = _parse_leniently(body, digits)
        return _writable(limit_items(value, most_items) if most_items else value)
    except RecursionError:
        raise MalformedReportError("Request body is nested too deeply") from None


def _parse_leniently(body: bytes, digits: bytes) -> Any:
    text = body.decode("utf-8-sig", "replace")
    parse_int = (
        _int_or_text if b"0" * _MAX_INT_DIGITS in digits else int
    )  # json's own way of reading int is much faster
    try:
        return json.loads(text, strict=False, parse_constant=str, parse_int=parse_int)
    except ValueError as error:
        raise MalformedReportError(f"Request body is not valid JSON: {error}") from None


def normalize_report(value: Any, received_at: datetime) -> Report:
    """Make a `Report` of a JSON value.

    Raises `MalformedReportError` when it is no object, `InvalidReportError` when it has no class.
    """
    if not isinstance(value, dict):
        raise MalformedReportError("Request body must be a JSON object")
    sent = _PayloadFields(value)
    error_class = _text(sent.take("class", "error_class")).strip()
    if not error_class:
        raise InvalidReportError("error.class is required")
    tags = _tags(sent)
    occurred_at = _moment(sent, received_at)
    return Report(
        error_class=error_class,
        error_message=_text(sent.take("message", "error_message")),
        backtrace=_backtrace(sent.take("backtrace")),
        fingerprint=_text(sent.take("fingerprint")).strip() or None,
        tags=tags,
        occurred_at=occurred_at,
        details=_details(sent),
    )


class _PayloadFields:
    """What was sent and has not been taken yet: of the nested ``error`` object, if there is one, and beside it."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.beside = dict(value)
        nested = self.beside.get("error")
        self.error: dict[str, Any] = dict(self.beside.pop("error")) if isinstance(nested, dict) else {}

    def take(self, *names: str) -> Any:
        """The first of ``names`` that was sent; the same value under another of them is taken along."""
        taken = None
        for place in (self.error, self.beside):
            for name in names:
                if taken is None:
                    taken = place.pop(name, None)
                elif place.get(name) == taken:
                    del place[name]
        return taken


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _backtrace(value: Any) -> Any:
    """One text stands for its lines, as `Error.stack` and a printed traceback do."""
    return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else value


def _tags(sent: _PayloadFields) -> tuple[str, ...]:
    """The tags in the form that tags have; what this changes beyond case, or is too much, is left in ``sent``."""
    names: dict[str, None] = {}
    left: list[Any] = []
    for tags in (sent.take("tags"), sent.take("tags")):
        listed = tags if isinstance(tags, list) else [tags]
        left += listed[_READ_TAGS:]
        for tag in listed[:_READ_TAGS]:
            if tag in (None, "", {}):
                continue
            text = _text(tag)
            name = coerce_tag_name(text[:_READ_TAG])
            if name and len(names) < MAX_TAGS:
                names[name] = None
            if name != normalize_tag_name(text) or name not in names:
                left.append(tag)
    if left:
        sent.error["tags"] = left
    return tuple(names)


def _moment(sent: _PayloadFields, received_at: datetime) -> datetime:
    """The time that was sent; the time of receipt when it cannot be read or lies in the future (left in ``sent``)."""
    value = sent.take("occurred_at")
    try:
        moment = _read_time(value)
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is not None and _EARLIEST <= moment <= received_at:
        return moment
    if value is not None:
        sent.error["occurred_at"] = value
    return received_at


def _read_time(value: Any) -> datetime | None:
    if isinstance(value, str):
        moment = _read_text_time(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000 if value > 100_000_000_000 else value, UTC)
    return None


def _read_text_time(text: str) -> datetime:
    """Parse ISO 8601, ``2025-01-01 12:00:00 UTC`` or ``+0000`` (Ruby's `Time#to_s`), or RFC 1123. Raises ValueError."""
    if len(text) > MAX_TIME:
        raise ValueError("too long for a time")
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    start, _, zone = text.rpartition(" ")
    if zone == "UTC" or zone.startswith(("+", "-")):
        with suppress(ValueError):
            return datetime.fromisoformat(start + zone.replace("UTC", "Z"))
    moment: datetime | None = None
    with suppress(ValueError, IndexError, TypeError):  # the last two for some malformed dates
        moment = parsedate_to_datetime(text)
    if moment is None:
        raise ValueError("not a time in any of the accepted formats")
    return moment


def _details(sent: _PayloadFields) -> dict[str, dict[str, Any]]:
    """The four free-form objects; what has no place of its own goes into the context under its own name."""
    details = {
        "context": _object(sent.beside.pop("context", None)),
        "request": _object(sent.beside.pop("request", None)),
        "user": _object(sent.take("user", "user_info")),
        "notifier": _object(sent.beside.pop("notifier", None)),
    }
    context = details["context"]
    for name, extra in sent.beside.items():
        if extra is not None and name in context and context[name] != extra:
            _aside(context, "report")[name] = extra
        elif extra is not None:
            context[name] = extra
    for name, extra in sent.error.items():
        if extra is not None:
            _aside(context, "error")[name] = extra
    return details


def _aside(context: dict[str, Any], name: str) -> dict[str, Any]:
    """The object ``name`` in ``context``, made if need be; a value of another type is kept in it."""
    context[name] = _object(context.get(name))
    aside: dict[str, Any] = context[name]
    return aside


def _object(value: Any) -> dict[str, Any]:
    """What should be an object: PHP sends an empty one as a list, others send text; all of it is kept."""
    if isinstance(value, dict):
        return value
    return {"value": value} if value not in (None, [], "") else {}


def _writable(value: Any) -> Any:
    """``value`` with what JSON in UTF-8 cannot hold as text: infinities, lone halves of surrogate pairs (U+FFFD)."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_writable(name): _writable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) is int else _writable(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _int_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) < _MAX_INT_DIGITS else digits
