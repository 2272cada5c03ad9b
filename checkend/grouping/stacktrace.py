"""Backtrace lines of every SDK, read into frames.

A backtrace arrives as a list of strings, each in its language's own grammar, or of objects. Nothing is ever
refused: what no grammar knows is kept whole in `file`. All work is linear in a line's length, and every limit
is stated here, because lines come from outside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

UNKNOWN = "unknown"
ANONYMOUS = "<anonymous>"  # a JavaScript function that has no name
MAX_LINE = 2**31 - 1  # a line or column beyond this is nonsense, and would not fit an integer column
_CACHED_LENGTH = 200  # a longer line is parsed anew each time: 8,192 entries then hold at most some megabytes


class Frame(NamedTuple):
    """One call of a backtrace. `line` is 0, `method` "unknown" and `column` 0 where not known.

    Java's -1 (no line known) and -2 (native code) are kept as sent.
    """

    file: str
    line: int
    method: str
    column: int = 0

    @property
    def path_end(self) -> str:
        """The last 600 characters of `file`, with forward slashes: enough to find the innermost folder of packages."""
        return self.file[-600:].replace("\\", "/")


def parse_stacktrace(raw: object) -> list[Frame]:
    """The frames of a backtrace as it was sent, in the order sent; [] for None. Never raises for JSON values.

    A string stands for its lines, an object for a list of one; anything else is one frame of its JSON text.
    """
    if raw is None:
        return []
    if isinstance(raw, str):
        raw = [line for line in raw.splitlines() if line.strip()]
    elif isinstance(raw, Frame) or not isinstance(raw, list | tuple):
        raw = [raw]
    # parse_frame's first branch is repeated here: it spares a call for each line of each report.
    return [_cached(e) if type(e) is str and len(e) <= _CACHED_LENGTH else parse_frame(e) for e in raw]


def parse_frame(entry: object) -> Frame:
    """One frame from a string in any SDK's grammar or from an object with file, line (or number) and method
    (or function); from any other JSON value a frame with its JSON text as `file`.
    """
    if isinstance(entry, str):
        return _cached(entry) if len(entry) <= _CACHED_LENGTH else _from_string(entry)
    if isinstance(entry, Frame):
        return entry
    if isinstance(entry, Mapping):
        return _from_object(entry)
    return Frame(_json(entry), 0, UNKNOWN)


def _from_object(entry: Mapping[object, object]) -> Frame:
    # What the SDKs send, by the shortest way; all else below.
    file, line, method = entry.get("file"), entry.get("line"), entry.get("method")
    if line is None:
        line = entry.get("number")
    if type(file) is str and type(method) is str and type(line) is int and len(entry) == 3:
        return Frame(file or UNKNOWN, line if -MAX_LINE <= line <= MAX_LINE else 0, method or UNKNOWN)
    file = _first(entry, "file", "filename", "path")
    method = _first(entry, "method", "function", "name")
    if file is None and method is None:
        return Frame(_json(entry), 0, UNKNOWN)
    return Frame(
        _text(file) or UNKNOWN,
        _integer(_first(entry, "line", "number", "lineno", "lineNumber")),
        _text(method) or UNKNOWN,
        max(_integer(_first(entry, "column", "colno", "col", "columnNumber")), 0),
    )


def _first(entry: Mapping[object, object], *keys: str) -> object:
    for key in keys:
        value = entry.get(key)
        if value is not None:
            return value
    return None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _json(value)


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"


def _integer(value: object) -> int:
    if isinstance(value, bool):
        return 0
    if isinstance(value, int | float):
        # The comparison comes before int(): it is False for NaN, and keeps infinity out.
        return int(value) if -MAX_LINE <= value <= MAX_LINE else 0
    if isinstance(value, str):
        text = value.strip()
        if len(text) <= 11 and text.removeprefix("-").isdecimal():
            return _integer(int(text))
    return 0


# Ruby `a.rb:1:in 'm'` (a backtick opens the name before 3.4), and the one form that Python, Go, PHP and
# Elixir SDKs share: `file:1 in m`. One search finds both, at the first place where a number meets " in " or
# ":in", so that a path with spaces and a method with " in " in it are both read.
_IN = re.compile(r":(-?[0-9]{1,9})(?: in |:in (?=[`']))")
# Firefox and Safari: `name@where`; the name may be empty. A path may hold an @ too (node_modules/@scope), so
# what follows must look like a place.
_AT_SIGN = re.compile(r"@(?=[a-z][a-z0-9+.-]{0,30}:|\[native code\]|/|\[PROJECT_ROOT\])", re.IGNORECASE)


def _from_string(text: str) -> Frame:
    line = text.strip()
    if line.startswith("at "):
        return _from_at(line[3:].lstrip())
    # The two common forms by plain cuts, which cost a third of the pattern's time.
    head, found, method = line.partition(" in ")
    if found:
        file, _, number = head.rpartition(":")
        if number.isdecimal() and len(number) <= 9 and file and method:
            return Frame(file, int(number), method)
    if found or ":in " in line:
        match = _IN.search(line)
        if match:
            method = line[match.end() :]
            if match[0].endswith(":in "):
                method = method[1:].removesuffix("'")
            return Frame(line[: match.start()] or UNKNOWN, int(match[1]), method.strip() or UNKNOWN)
    if "@" in line:
        match = _AT_SIGN.search(line)
        if match and "://" not in line[: match.start()]:
            return _from_location(line[match.end() :], line[: match.start()].strip() or ANONYMOUS)
    return _from_rare(line) or _bare(line)


_cached = lru_cache(maxsize=8192)(_from_string)


def _from_at(rest: str) -> Frame:
    """What follows `at `: V8's `f (file:1:2)` or `file:1:2`; the JVM's `a.B.c(D.java:1)`; .NET's
    `A.B(String s) in file:line 1`.
    """
    name, opened, where = rest.partition(" (")
    if opened and where.endswith(")"):
        return _from_location(where[:-1], name.strip() or UNKNOWN)
    found = _JVM.match(rest) or _DOTNET.match(rest)
    if found:
        return Frame(found[2] or UNKNOWN, int(found[3] or 0), found[1])
    if rest.startswith("async "):
        return _from_location(rest[6:], f"async {ANONYMOUS}")
    return _from_location(rest, ANONYMOUS)


def _from_location(where: str, method: str) -> Frame:
    file, line, column = _split(where)
    return Frame(file or UNKNOWN, line, method, column)


def _split(where: str) -> tuple[str, int, int]:
    """`file:line:column`, `file:line` or `file` in three parts, 0 where there is no number."""
    head, colon, last = where.rpartition(":")
    if not colon or not last.isdecimal() or len(last) > 9:
        return where, 0, 0
    file, colon, line = head.rpartition(":")
    if colon and line.isdecimal() and len(line) <= 9:
        return file, int(line), int(last)
    return head, int(last), 0


def _bare(line: str) -> Frame:
    """A lone place, `https://h/a.js:1:2` or PHP's first frame `/src/A.php:10`; else the line as it is."""
    file, number, column = _split(line)
    if file and (number or column) and _LOCATION.match(file):
        return Frame(file, number, UNKNOWN, column)
    return Frame(line or UNKNOWN, 0, UNKNOWN)


# A place has a slash, a backslash or a dot in its first word; "Error: code 12:30" has none.
_LOCATION = re.compile(r"\S{0,4000}[/\\.\])>]|[A-Za-z]:\\|/")
_JVM = re.compile(r"([^\s()]{1,1000})\(([\w$.-]{1,200}\.\w{1,10}|Native Method|Unknown Source)(?::(\d{1,9}))?\)\Z")
_DOTNET = re.compile(r"([^\s()]{1,1000})\([^()]{0,2000}\)(?: in (.{1,2000}):line (\d{1,9}))?\Z")
# Grammars that no SDK sends but hand-written clients do: what a language itself prints.
_PYTHON_PRINTED = re.compile(r'File "([^"\n]{1,4000})", line (\d{1,9})(?:, in (.{1,500}))?\Z')
_PHP_PRINTED = re.compile(r"#\d{1,5} (.{1,4000})\((\d{1,9})\): ([^(\n]{1,1000})(?:\(|\Z)")
_ELIXIR_PRINTED = re.compile(r"(?:\([^()]{1,100}\) )?([^\s:]{1,1000}):(\d{1,9}): (\S.{0,500})\Z")


def _from_rare(line: str) -> Frame | None:
    for pattern in (_PYTHON_PRINTED, _PHP_PRINTED, _ELIXIR_PRINTED):
        found = pattern.match(line)
        if found:
            return Frame(found[1], int(found[2]), (found[3] or UNKNOWN).strip())
    return None
