"""Compute the fingerprint of a report: reports that one change to the code would fix are one problem.

Pure and versioned. docs/grouping.md explains the rule to users; `_decide` contains the order of decisions. A change to
the fingerprint of any report increases VERSION, so that existing problems keep the rule that created them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from checkend.grouping import culprit, messages
from checkend.grouping.culprit import CodeLocation, CulpritFrame, Stack
from checkend.grouping.frames import has_location, library_span
from checkend.grouping.languages import detect_language
from checkend.grouping.stacktrace import UNKNOWN, Frame

VERSION = 1

# The grouping rules that an app can turn off, with the help texts of its settings page.
RULES: Mapping[str, str] = {
    "libraries": "Frames of libraries and generated code are skipped, so that the innermost in-app frame counts.",
    "enclosing": "A function without a name counts as the function that encloses it.",
    "helpers": "A helper that only raises errors for its callers (assert, fail, an errors file) counts as its caller.",
    "recursion": "A recursion that overflowed the stack counts as one location, wherever the stack was cut off.",
    "wording": "Errors raised in the same function are separate problems if their messages use different error words.",
    "values": "Go error values, which have no backtrace of their own, are distinguished by their messages.",
}

_MAX_CUSTOM_LENGTH = 200  # characters of a custom fingerprint; a digest replaces a longer one
_MIN_CYCLE_REPEATS = 3  # repetitions of a function in a truncated backtrace that count as a recursion


@dataclass(frozen=True, slots=True)
class Grouping:
    """The result of grouping: reports of an app with equal fingerprints are one problem.

    `reason` is a sentence for users; `location` a short location for lists, "" if there is none.
    """

    fingerprint: str
    version: int
    reason: str
    location: str


class _Decision(NamedTuple):
    parts: tuple[str, ...]  # the input of the fingerprint
    reason: str
    location: str = ""


def group(
    error_class: str,
    message: str,
    frames: Sequence[Frame],
    *,
    notifier: Mapping[str, object] | None = None,
    fingerprint: str | None = None,
    disabled: frozenset[str] = frozenset(),
) -> Grouping:
    """Group a report. A custom `fingerprint` decides alone.

    `frames` are in the order reported; `disabled` contains keys of RULES. Never raises.
    """
    custom = fingerprint.strip() if fingerprint else ""
    if custom:
        kept = custom if len(custom) <= _MAX_CUSTOM_LENGTH else _digest(("custom", custom))
        return Grouping(kept, VERSION, f"Reports with the custom fingerprint “{_short(custom)}”.", "")
    stable_class = _VOLATILE.sub("", error_class.strip()[:300].lstrip("*"))
    decision = _decide(stable_class, message, frames, notifier, disabled)
    return Grouping(_digest(decision.parts), VERSION, decision.reason, _short(decision.location))


def _decide(
    error_class: str,
    message: str,
    frames: Sequence[Frame],
    notifier: Mapping[str, object] | None,
    disabled: frozenset[str],
) -> _Decision:
    language = detect_language(notifier, frames)
    stack = Stack(language.innermost_first(frames), language, disabled)
    if not any(map(has_location, stack.frames)):
        return _by_message(error_class, message)
    culprit_frame = culprit.find_culprit(stack)
    if culprit_frame is None:
        return _by_library(error_class, message, stack)
    if "recursion" not in disabled:
        recursion = _by_recursion(error_class, message, stack)
        if recursion:
            return recursion
    if "values" not in disabled and language.is_error_value(frames):
        return _by_value(error_class, message, stack, culprit_frame)
    return _by_culprit(error_class, message, stack, culprit_frame)


def _by_culprit(error_class: str, message: str, stack: Stack, culprit_frame: CulpritFrame) -> _Decision:
    """Apply the main rule: the error class, and the location in the app's own code where the error was raised."""
    location = culprit.location_of(stack, culprit_frame.position)
    words = line = ""
    if not location.name or culprit_frame.is_generated:
        # The location alone is not specific, so the subject of the message counts as well.
        is_runtime = messages.is_runtime_message(error_class)
        words = messages.missing_name(message) if is_runtime else messages.keywords(message)
    elif culprit_frame.is_origin and "wording" not in stack.disabled:
        words = _keywords(error_class, message)
    frame = stack.frames[culprit_frame.position]
    if not location.name and (frame.method == UNKNOWN or "enclosing" in stack.disabled):
        line = str(frame.line)
    is_qualified = location.name and stack.language.has_qualified_names
    parts = ("place", error_class, "" if is_qualified else location.file, location.name, words, line)
    where = str(CodeLocation(location.file.rpartition("/")[2], location.name)) + (f", line {line}" if line else "")
    reason = f"Reports of {_short(error_class)} raised in {_short(where)}"
    return _Decision(parts, _sentence(reason, "whose messages contain the words", words), str(location))


def _by_message(error_class: str, message: str) -> _Decision:
    normalized = messages.normalize_message(message)
    reason = f"Reports of {_short(error_class)} without a backtrace"
    return _Decision(("message", error_class, normalized), _sentence(reason, "whose messages read", normalized))


def _by_value(error_class: str, message: str, stack: Stack, culprit_frame: CulpritFrame) -> _Decision:
    location = culprit.location_of(stack, culprit_frame.position)
    normalized = messages.normalize_message(message)
    reason = f"Reports of {_short(error_class)} reported in {_short(str(location))}"
    parts = ("value", error_class, location.name or location.file, normalized)
    return _Decision(parts, _sentence(reason, "whose messages read", normalized), str(location))


def _by_library(error_class: str, message: str, stack: Stack) -> _Decision:
    outer, inner = library_span(stack.frames, stack.language)
    words = messages.missing_name(message)
    if not words and not messages.is_runtime_message(error_class):
        words = " ".join(messages.normalize_message(message).split()[:4])
    where = inner if outer == inner else f"{inner}, called by {outer}"
    reason = f"Reports of {_short(error_class)} raised in {_short(where)}, outside the app's own code"
    return _Decision(
        ("library", error_class, outer, inner, words),
        _sentence(reason, "whose messages contain the words", words),
        inner,
    )


def _by_recursion(error_class: str, message: str, stack: Stack) -> _Decision | None:
    """Group by the recursion that overflowed the stack, or in which the SDK truncated the backtrace; else None."""
    if messages.is_stack_overflow(error_class, message):
        members, _ = culprit.recursion_cycle(stack)
        names = sorted(map(str, members))
        named = _short(" and ".join(names[:3]))
        reason = f"Reports of {_short(error_class)} in which the recursion of {named} overflowed the stack."
        # Without the class: Firefox has a different one.
        return _Decision(("recursion", *names), reason, names[0])
    max_frames = stack.language.max_frames
    if max_frames is None or len(stack.frames) < max_frames:
        return None
    members, repetitions = culprit.recursion_cycle(stack)
    if repetitions < _MIN_CYCLE_REPEATS:
        return None
    # The innermost frames are missing. Most likely the recursion ended in the function in which it began, where the
    # complete backtraces of the same error end.
    entry = members[0]
    words = "" if "wording" in stack.disabled else _keywords(error_class, message)
    reason = f"Reports of {_short(error_class)} raised in the recursion of {_short(str(entry))}"
    return _Decision(
        ("place", error_class, entry.file, entry.name, words, ""),
        _sentence(reason, "whose messages contain the words", words),
        str(entry),
    )


def _keywords(error_class: str, message: str) -> str:
    return "" if messages.is_runtime_message(error_class) else messages.keywords(message)


def _sentence(reason: str, condition: str, words: str) -> str:
    return f"{reason}, {condition} “{_short(words)}”." if words else f"{reason}."


# The name of a class created at run time contains its memory address or its file: #<Class:0x00007f1>,
# class@anonymous/src/a.php:3$0
_VOLATILE = re.compile(r":?0x[0-9a-fA-F]+|(?<=@anonymous).{1,300}\Z", re.DOTALL)


def _short(text: str, length: int = 120) -> str:
    line = " ".join(text[:1000].split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _digest(parts: tuple[str, ...]) -> str:
    # Parts are joined by the unit separator, so it must not occur in a part, where clients could use it to imitate
    # another report's parts.
    text = "\x1f".join([str(VERSION), *(part.replace("\x1f", " ") for part in parts)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
