"""Lenient JSON: SDKs and hand-written clients send control characters, NaN, lone surrogates and huge numbers."""

import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import orjson

from checkend.ingest.exceptions import MalformedReportError
from checkend.scrubbing.size_limits import limit_items

# Maps every digit to 0 and everything else to a space: a run of 19 digits is then found without a regular expression.
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_LONG_NUMBER = b"0" * 19
_MAX_INT_DIGITS = 4000  # Python rejects integers of more than 4,300 digits, both when it reads and when it writes them
_LARGE_BYTES = 65_536


def read_json(body: bytes, max_items: int = 12_000) -> Any:
    """Parse ``body`` leniently: raw control characters, NaN, lone surrogates and invalid UTF-8 are accepted.

    Numbers keep all their digits. Keys and items beyond ``max_items`` are left out, and a mark takes their place.

    Raises `MalformedReportError`.
    """
    if len(body) < _LARGE_BYTES:
        return _read(body, 0)
    items = body.count(b",") + body.count(b"[") + body.count(b"{")
    with _garbage_collector_paused():
        return _read(body, max_items if items > max_items else 0)


@contextmanager
def _garbage_collector_paused() -> Iterator[None]:
    """Pause the garbage collector, which would scan the objects of a large body about ten times.

    The collector belongs to the whole process. When two threads overlap, the first to leave turns it on again, and the
    other merely becomes slower; a thread that finds it off leaves it off, so it cannot stay off for good.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(body: bytes, max_items: int) -> Any:
    digits = body.translate(_DIGITS)
    if _LONG_NUMBER not in digits:  # orjson would round integers of more than 64 bits
        with suppress(orjson.JSONDecodeError):
            payload = orjson.loads(body)
            return limit_items(payload, max_items) if max_items else payload
    # json's built-in conversion of integers is much faster than a function
    parse_int = _int_or_text if b"0" * _MAX_INT_DIGITS in digits else int
    text = body.decode("utf-8-sig", "replace")
    try:
        payload = json.loads(text, strict=False, parse_constant=str, parse_int=parse_int)
        return _encodable(limit_items(payload, max_items) if max_items else payload)
    except RecursionError:
        raise MalformedReportError("Request body is nested too deeply") from None
    except ValueError as error:
        raise MalformedReportError(f"Request body is not valid JSON: {error}") from None


def _int_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) < _MAX_INT_DIGITS else digits


def _encodable(value: Any) -> Any:
    """Replace what JSON in UTF-8 cannot contain: infinities by text, lone surrogates by U+FFFD."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_encodable(name): _encodable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) is int else _encodable(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
