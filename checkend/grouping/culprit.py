"""Find the culprit: the frame of the app's own code that a report is attributed to, and its stable location."""

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
    """The frames of a report, innermost first, with its language and the rules that its app has turned off."""

    frames: list[Frame]
    language: Language
    disabled: frozenset[str]  # keys of fingerprint.RULES


class CulpritFrame(NamedTuple):
    """The position of the culprit in `Stack.frames`, and how the error relates to it."""

    position: int
    is_origin: bool  # the error was raised in this frame, rather than in a library that it called
    is_generated: bool  # the error was raised in code generated at run time


class CodeLocation(NamedTuple):
    """A file and a function; the function is "" if it has no name. ``str()`` returns the form that pages display."""

    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.file})" if self.name else self.file


# --- the frame ----------------------------------------------------------------------------------------------


def find_culprit(stack: Stack) -> CulpritFrame | None:
    """Return the innermost in-app frame, else the innermost generated one; None if all frames are of libraries."""
    if "libraries" in stack.disabled:
        innermost = next(index for index, frame in enumerate(stack.frames) if has_location(frame))
        return CulpritFrame(innermost, True, False)
    generated: int | None = None
    for index, frame in enumerate(stack.frames):
        origin = classify_frame(frame, stack.language)
        if origin is FrameOrigin.APPLICATION:
            is_origin = not any(map(has_location, stack.frames[:index]))
            culprit = skip_builtins(stack.frames, index, stack.language)
            if "helpers" not in stack.disabled:
                culprit = _skip_helpers(stack, culprit)
            # Libraries also generate helper functions, so generated code further out does not matter.
            return CulpritFrame(culprit, is_origin, generated == 0)
        if origin is FrameOrigin.GENERATED and generated is None:
            generated = index
    return None if generated is None else CulpritFrame(generated, generated == 0, True)


# Functions that only raise errors for their callers are recognized by name: the bare verb (`fail`, `invariant`),
# `raise_x`, `throwX`. Functions with other verbs (`ensure_positive`) are helpers only in a file for helpers, since
# `check_stock` in stock.py does the app's own work. Factories of errors are recognized by their class or file.
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
_MAX_NESTED_HELPERS = 3


def _skip_helpers(stack: Stack, index: int) -> int:
    """Return the index of the frame that called a helper, if the one at `index` is a helper, else `index`."""
    for _ in range(_MAX_NESTED_HELPERS):
        frame = stack.frames[index]
        owner, _, name = _name(frame, stack.language).replace("::", ".").replace("\\", ".").rpartition(".")
        owner, name = owner.rpartition(".")[2], name.lstrip("_#").partition("/")[0]
        only_raises = bool(_ONLY_RAISES.match(name) or _ERROR_CLASS.search(owner))
        if not only_raises and not _is_helper(frame, owner, name, stack.language):
            return index
        callers = range(index + 1, len(stack.frames))
        caller = next((at for at in callers if _is_in_app(stack.frames[at], stack.language)), None)
        # A function that does more than raise, and is in the same file as its caller, does that file's own work.
        if caller is None or (stack.frames[caller].file == frame.file and not only_raises):
            return index
        index = caller
    return index


def _is_helper(frame: Frame, owner: str, name: str, language: Language) -> bool:
    stem = frame.file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    home = owner if language.has_classes_for_files else stem
    return bool(name) and bool(_ERROR_FILE.match(home) or (_VERB.match(name) and _HELPER_FILE.match(home)))


def _is_in_app(frame: Frame, language: Language) -> bool:
    return classify_frame(frame, language) is FrameOrigin.APPLICATION


# --- its location -------------------------------------------------------------------------------------------


def location_of(stack: Stack, index: int) -> CodeLocation:
    """Return the location of the frame at `index`; a function without a name gets that of the enclosing one."""
    frame = stack.frames[index]
    name = _name(frame, stack.language)
    can_be_enclosed = frame.method != UNKNOWN or is_minified(frame)
    if not name and can_be_enclosed and "enclosing" not in stack.disabled and not is_renamed(frame):
        name = _enclosing_name(stack, index)
    return CodeLocation(paths.normalize_path(frame.file), name)


def _enclosing_name(stack: Stack, index: int) -> str:
    """Return the name of the next function outwards in the same file, ignoring library frames in between."""
    file = stack.frames[index].file
    for frame in stack.frames[index + 1 :]:
        if frame.file == file:
            name = _name(frame, stack.language)
            if name or is_renamed(frame):
                return name
        elif _is_in_app(frame, stack.language):
            return ""
    return ""


def _name(frame: Frame, language: Language) -> str:
    return normalize_function_name(frame.method, language, minified=is_minified(frame))


# --- recursion ----------------------------------------------------------------------------------------------


def recursion_cycle(stack: Stack) -> tuple[list[CodeLocation], int]:
    """Return the in-app functions that call each other repeatedly, outermost first, and the number of repetitions.

    If a minifier renamed all functions, the file represents them.
    """
    calls = Counter[CodeLocation]()
    file = ""
    for frame in reversed(stack.frames):
        if not _is_in_app(frame, stack.language):
            continue
        file = paths.normalize_path(frame.file)
        name = _name(frame, stack.language)
        if name:
            calls[CodeLocation("" if stack.language.has_qualified_names else file, name)] += 1
    if not calls:
        return [CodeLocation(file, "")], 0
    repetitions = max(calls.values())
    return [location for location, count in calls.items() if count * 2 >= repetitions], repetitions
