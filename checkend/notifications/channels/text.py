"""Truncate and clean texts from reports, so that they fit a service's limits and hide nothing. Pure functions."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable

ELLIPSIS = "…"

# Control characters except tab and line feed, marks that change the direction of the text, invisible characters and
# lone surrogates (which UTF-8 cannot encode). Zero-width joiners are kept: some languages and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 code units, the strictest of the ways in which services count characters."""
    return len(text.encode("utf-16-le")) // 2


def json_length(text: str) -> int:
    """Return the length in bytes of ``text`` inside a JSON document in UTF-8. Never less than its length in UTF-8."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def one_line(text: str) -> str:
    """Return ``text`` with each run of spaces and line breaks, including Unicode's, replaced by one space."""
    return " ".join(text.split())


def fit(
    text: str, limit: int, escape: Callable[[str], str] = str, *, length: Callable[[str], int] = utf16_length
) -> str:
    """Return ``text`` escaped, in at most ``limit`` units of ``length``; "…" marks where it was cut.

    Symbols such as ␀ or [U+202E] replace invisible characters. ``escape`` must treat each character by itself: then its
    replacement is kept or dropped as a whole, so that no escape sequence or entity is cut in half.
    """
    # No character is shorter than one unit, so the rest of a huge text need not be looked at.
    start = text.replace("\r\n", "\n")[: limit + 1]

    def shown(count: int) -> str:
        return escape(_INVISIBLE.sub(lambda match: _symbol(match[0]), start[:count]))

    whole = shown(len(start))
    if length(whole) <= limit:
        return whole
    ellipsis = escape(ELLIPSIS)
    counts = range(1, len(start))
    return shown(bisect_right(counts, limit - length(ellipsis), key=lambda count: length(shown(count)))) + ellipsis


def fit_line(
    text: str, limit: int, escape: Callable[[str], str] = str, *, length: Callable[[str], int] = utf16_length
) -> str:
    """Return ``text`` as `fit` does, on one line."""
    return fit(one_line(text), limit, escape, length=length)


def _symbol(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"[U+{code:04X}]"
