"""Parse the backtraces of all SDKs into frames.

A backtrace is a list of strings, each in the format of its language, or of objects. Nothing is rejected: a line in an
unknown format is kept unchanged as the frame's file. As the lines are untrusted, parsing is linear in their length, and
all limits are defined here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

UNKNOWN = "unknown"
ANONYMOUS = "<anonymous>"  # a JavaScript function without a name
MAX_LINE = 2**31 - 1  # larger line and column numbers are invalid, and would not fit an integer column
_MAX_CACHED_LENGTH = 200  # characters; longer lines are not cached, so that 8,192 entries take a few megabytes at most


class Frame(NamedTuple):
    """One frame of a backtrace. An unknown `line` or `column` is 0, an unknown `method` is "unknown".

    Java's line numbers -1 (unknown) and -2 (native code) are kept.
    """

    file: str
    line: int
    method: str
    column: int = 0

    @property
    def path_end(self) -> str:
        """The last 600 characters of `file`, with forward slashes: enough to find the innermost package folder."""
        return self.file[-600:].replace("\\", "/")


def parse_stacktrace(raw: object) -> list[Frame]:
    """Return the frames of a backtrace, a JSON value, in the order reported; [] for None. Never raises.

    A string is split into lines, an object is one frame; any other value is one frame with its JSON text as `file`.
    """
    if raw is None:
        return []
    if isinstance(raw, str):
        raw = [line for line in raw.splitlines() if line.strip()]
    elif isinstance(raw, Frame) or not isinstance(raw, list | tuple):
        raw = [raw]
    # The first branch of parse_frame is repeated here, which saves a call for each line of each report.
    return [_cached(e) if type(e) is str and len(e) <= _MAX_CACHED_LENGTH else parse_frame(e) for e in raw]


def parse_frame(entry: object) -> Frame:
    """Parse one entry of a backtrace: a string in any SDK's format, or an object with file, line and method.

    Any other JSON value becomes a frame with its JSON text as `file`.
    """
    if isinstance(entry, str):
        return _cached(entry) if len(entry) <= _MAX_CACHED_LENGTH else _from_string(entry)
    if isinstance(entry, Frame):
        return entry
    if isinstance(entry, Mapping):
        return _from_object(entry)
    return Frame(_json(entry), 0, UNKNOWN)


def frame_text(frame: Frame) -> str:
    """Return ``file:line:column in method`` without the unknown parts."""
    location = frame.file
    if frame.line > 0:
        location += f":{frame.line}" + (f":{frame.column}" if frame.column else "")
    return location if frame.method == UNKNOWN else f"{location} in {frame.method}"


def _from_object(entry: Mapping[object, object]) -> Frame:
    # Fast path for the objects that SDKs send.
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
        # Compared before int(), which raises for NaN and infinity.
        return int(value) if -MAX_LINE <= value <= MAX_LINE else 0
    if isinstance(value, str):
        text = value.strip()
        if len(text) <= 11 and text.removeprefix("-").isdecimal():
            return _integer(int(text))
    return 0


# Ruby's `a.rb:1:in 'm'` (before 3.4 with a backtick), and the format that the Python, Go, PHP and Elixir SDKs share:
# `file:1 in m`. One search finds both, at the first number followed by " in " or ":in", so that paths with spaces and
# methods with " in " in their names are parsed correctly.
_IN = re.compile(r":(-?[0-9]{1,9})(?: in |:in (?=[`']))")
# Firefox and Safari: `name@location`; the name may be empty. Paths may contain an @ too (node_modules/@scope), so a
# location must follow.
_AT_SIGN = re.compile(r"@(?=[a-z][a-z0-9+.-]{0,30}:|\[native code\]|/|\[PROJECT_ROOT\])", re.IGNORECASE)


def _from_string(text: str) -> Frame:
    line = text.strip()
    if line.startswith("at "):
        return _from_at(line[3:].lstrip())
    # Fast path for the two most common formats: takes a third of the time of the pattern.
    head, separator, method = line.partition(" in ")
    if separator:
        file, _, number = head.rpartition(":")
        if number.isdecimal() and len(number) <= 9 and file and method:
            return Frame(file, int(number), method)
    if separator or ":in " in line:
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
    return _from_printed(line) or _from_bare_location(line)


_cached = lru_cache(maxsize=8192)(_from_string)


def _from_at(rest: str) -> Frame:
    """Parse a line after its `at `.

    That is V8's `f (file:1:2)` or `file:1:2`, the JVM's `a.B.c(D.java:1)`, .NET's `A.B(String s) in file:line 1`.
    """
    name, parenthesis, location = rest.partition(" (")
    if parenthesis and location.endswith(")"):
        return _from_location(location[:-1], name.strip() or UNKNOWN)
    match = _JVM.match(rest) or _DOTNET.match(rest)
    if match:
        return Frame(match[2] or UNKNOWN, int(match[3] or 0), match[1])
    if rest.startswith("async "):
        return _from_location(rest[6:], f"async {ANONYMOUS}")
    return _from_location(rest, ANONYMOUS)


def _from_location(location: str, method: str) -> Frame:
    file, line, column = _split(location)
    return Frame(file or UNKNOWN, line, method, column)


def _split(location: str) -> tuple[str, int, int]:
    """Split `file:line:column`, `file:line` or `file`; missing numbers are 0."""
    head, colon, last = location.rpartition(":")
    if not colon or not last.isdecimal() or len(last) > 9:
        return location, 0, 0
    file, colon, line = head.rpartition(":")
    if colon and line.isdecimal() and len(line) <= 9:
        return file, int(line), int(last)
    return head, int(last), 0


def _from_bare_location(line: str) -> Frame:
    """Parse a location without a function, `https://h/a.js:1:2` or PHP's first frame `/src/A.php:10`, or any text."""
    file, number, column = _split(line)
    if file and (number or column) and _LOCATION.match(file):
        return Frame(file, number, UNKNOWN, column)
    return Frame(line or UNKNOWN, 0, UNKNOWN)


# The first word of a location contains a slash, a backslash or a dot, unlike that of "Error: code 12:30".
_LOCATION = re.compile(r"\S{0,4000}[/\\.\])>]|[A-Za-z]:\\|/")
_JVM = re.compile(r"([^\s()]{1,1000})\(([\w$.-]{1,200}\.\w{1,10}|Native Method|Unknown Source)(?::(\d{1,9}))?\)\Z")
_DOTNET = re.compile(r"([^\s()]{1,1000})\([^()]{0,2000}\)(?: in (.{1,2000}):line (\d{1,9}))?\Z")
# What languages themselves print: not sent by SDKs, but by hand-written clients.
_PYTHON_PRINTED = re.compile(r'File "([^"\n]{1,4000})", line (\d{1,9})(?:, in (.{1,500}))?\Z')
_PHP_PRINTED = re.compile(r"#\d{1,5} (.{1,4000})\((\d{1,9})\): ([^(\n]{1,1000})(?:\(|\Z)")
_ELIXIR_PRINTED = re.compile(r"(?:\([^()]{1,100}\) )?([^\s:]{1,1000}):(\d{1,9}): (\S.{0,500})\Z")


def _from_printed(line: str) -> Frame | None:
    for pattern in (_PYTHON_PRINTED, _PHP_PRINTED, _ELIXIR_PRINTED):
        match = pattern.match(line)
        if match:
            return Frame(match[1], int(match[2]), (match[3] or UNKNOWN).strip())
    return None
