"""The place in the application's code that a report is put down to: which frame, and how it is named."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from checkend.grouping import paths
from checkend.grouping.frames import (
    FrameOrigin,
    classify_frame,
    has_location,
    normalize_function_name,
    skip_builtins,
)
from checkend.grouping.language import Language
from checkend.grouping.languages.javascript import is_minified, is_renamed
from checkend.grouping.stacktrace import UNKNOWN, Frame


class Stack(NamedTuple):
    """A report's frames, innermost first, with what is needed to read them."""

    frames: list[Frame]
    language: Language
    disabled: frozenset[str]  # of grouping.RULES


class CulpritFrame(NamedTuple):
    """The index of the frame that a report is put down to, and what lies further inside.

    `direct`: nothing does, the error was raised there. `generated`: it was raised in code made at run time.
    """

    at: int
    direct: bool
    generated: bool


class CodeLocation(NamedTuple):
    """A function; its name is "" when nothing names it. The text form is for people."""

    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.file})" if self.name else self.file


# --- which frame --------------------------------------------------------------------------------------------


def find_culprit(trace: Stack) -> CulpritFrame | None:
    """The innermost frame of the application, else of generated code; None when only libraries are there."""
    if "libraries" in trace.disabled:
        first = next(index for index, frame in enumerate(trace.frames) if has_location(frame))
        return CulpritFrame(first, True, False)
    generated: int | None = None
    for index, frame in enumerate(trace.frames):
        kind = classify_frame(frame, trace.language)
        if kind is FrameOrigin.APPLICATION:
            direct = not any(map(has_location, trace.frames[:index]))
            own = skip_builtins(trace.frames, index, trace.language)
            at = own if "helpers" in trace.disabled else _skip_helpers(trace, own)
            # Libraries make helper functions at run time as well: only where the error was raised tells.
            return CulpritFrame(at, direct, generated == 0)
        if kind is FrameOrigin.GENERATED and generated is None:
            generated = index
    return None if generated is None else CulpritFrame(generated, generated == 0, True)


# What only raises for others is known by its name: the bare verb (`fail`, `invariant`), `raise_x`, `throwX`.
# Other verbs (`ensure_positive`) do so only in a file for helpers, since `check_stock` in stock.py is the
# application's work. What makes errors is known by its class or file.
_ONLY_RAISES = re.compile(
    r"(?i:assert|ensure|invariant|fail|abort|bail|panic|die|unreachable|precondition)[!?]?\Z|"
    r"(?i:raise|throw)(?![a-z])"
)
_VERB = re.compile(
    r"(?i:assert|ensure|must|fail|abort|panic|bail|die|invariant|guard|unreachable|precondition|check|require|"
    r"expect|verify|demand|enforce)(?![a-z])"
)
_HELPER_FILE = re.compile(
    r"(?:(?>.*assert)\w*|.*(?:utils?|helpers?|guards?|ensure|support|checks?|contracts?|preconditions?|invariants?|"
    r"validat(?:ions?|ors?)|common|lib))\Z",
    re.IGNORECASE | re.DOTALL,
)
_ERROR_FILE = re.compile(r"\w*(?:errors?|exceptions?)\Z", re.IGNORECASE)
_ERROR_CLASS = re.compile(r"[a-z](?:Error|Exception)s?\Z")
_DEEPEST_HELPER = 3


def _skip_helpers(trace: Stack, index: int) -> int:
    """The index of the frame that used a helper, when the one at `index` is a helper; else `index`."""
    for _ in range(_DEEPEST_HELPER):
        frame = trace.frames[index]
        owner, name = _owner_and_name(frame, trace.language)
        only_raises = bool(_ONLY_RAISES.match(name) or _ERROR_CLASS.search(owner))
        if not only_raises and not _is_helper(frame, owner, name, trace.language):
            return index
        caller = _next_application(trace, index + 1)
        # A helper that does more, in the very file that uses it, is a part of that file's work.
        if caller is None or (trace.frames[caller].file == frame.file and not only_raises):
            return index
        index = caller
    return index


def _owner_and_name(frame: Frame, language: Language) -> tuple[str, str]:
    """The class or module that the function's name tells, if any, and the bare name."""
    owner, _, name = _name(frame, language).replace("::", ".").replace("\\", ".").rpartition(".")
    return owner.rpartition(".")[2], name.lstrip("_#").partition("/")[0]


def _is_helper(frame: Frame, owner: str, name: str, language: Language) -> bool:
    stem = frame.file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    home = owner if language.has_classes_for_files else stem
    return bool(name) and bool(_ERROR_FILE.match(home) or (_VERB.match(name) and _HELPER_FILE.match(home)))


def _next_application(trace: Stack, start: int) -> int | None:
    for index in range(start, len(trace.frames)):
        if classify_frame(trace.frames[index], trace.language) is FrameOrigin.APPLICATION:
            return index
    return None


# --- its name -----------------------------------------------------------------------------------------------


def location_of(trace: Stack, index: int) -> CodeLocation:
    """The place of the frame at `index`; a function without a name gets that of the one around it."""
    frame = trace.frames[index]
    name = _name(frame, trace.language)
    can_be_inside = frame.method != UNKNOWN or is_minified(frame)
    if not name and can_be_inside and "enclosing" not in trace.disabled and not is_renamed(frame):
        name = _enclosing(trace, index)
    return CodeLocation(paths.normalize_path(frame.file), name)


def _enclosing(trace: Stack, index: int) -> str:
    """The name of the next function outwards in the same file, past library frames between."""
    file = trace.frames[index].file
    for frame in trace.frames[index + 1 :]:
        if frame.file == file:
            name = _name(frame, trace.language)
            if name or is_renamed(frame):
                return name
        elif classify_frame(frame, trace.language) is FrameOrigin.APPLICATION:
            return ""
    return ""


def _name(frame: Frame, language: Language) -> str:
    return normalize_function_name(frame.method, language, minified=is_minified(frame))


# --- recursion ----------------------------------------------------------------------------------------------


def recursion_cycle(trace: Stack) -> tuple[list[CodeLocation], int]:
    """The application's functions that call each other over and over, the first entered first, and how often.

    When a minifier made all the names up, the file stands for them.
    """
    calls = Counter[CodeLocation]()
    file = ""
    for frame in reversed(trace.frames):
        if classify_frame(frame, trace.language) is not FrameOrigin.APPLICATION:
            continue
        file = paths.normalize_path(frame.file)
        name = _name(frame, trace.language)
        if name:
            calls[CodeLocation("" if trace.language.has_qualified_names else file, name)] += 1
    if not calls:
        return [CodeLocation(file, "")], 0
    most = max(calls.values())
    return [place for place, times in calls.items() if times * 2 >= most], most
