"""Which reports are one problem: those that one change of the code would mend.

Pure and versioned. docs/grouping.md states the rule for readers; the order of decisions is `_decide`. A
change of what any report's fingerprint is raises VERSION, so that stored problems can keep the rule that made
them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from checkend.grouping import culprit, messages
from checkend.grouping.culprit import CodeLocation, CulpritFrame, Stack
from checkend.grouping.frames import FrameOrigin, classify_frame, has_location, library_span
from checkend.grouping.languages import detect_language
from checkend.grouping.stacktrace import UNKNOWN, Frame

VERSION = 1

# The parts of the rule that an app can turn off, each with what it does.
RULES: Mapping[str, str] = {
    "libraries": "Frames of libraries and of generated code are passed over for the application's own.",
    "enclosing": "A function without a name counts as the named function around it.",
    "helpers": "A helper that only raises for others (assert, fail, an errors file) counts as its caller.",
    "recursion": "A recursion that filled the stack counts as one place, wherever it was cut off.",
    "wording": "Errors raised in one function are kept apart when their messages are worded differently.",
    "values": "A Go error value, which has no backtrace of its own, is told apart by its message.",
}

_CUSTOM_LENGTH = 200
_MIN_CYCLE_REPEATS = 3  # how often a function must come round in a cut backtrace before it is taken for a recursion


@dataclass(frozen=True, slots=True)
class Grouping:
    """Where a report belongs: reports with an equal fingerprint are one problem.

    `reason` is one sentence for people; `location` a short place for lists, "" when there is none.
    """

    fingerprint: str
    version: int
    reason: str
    location: str


class _Decision(NamedTuple):
    parts: tuple[str, ...]  # all that decides
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
    """The grouping of one report; a `fingerprint` of the client's own decides alone.

    `frames` come in the order sent, `disabled` names RULES of the app's choice. Never raises.
    """
    custom = fingerprint.strip() if fingerprint else ""
    if custom:
        own = custom if len(custom) <= _CUSTOM_LENGTH else _digest(("custom", custom))
        return Grouping(own, VERSION, f"Reports that carry your own fingerprint “{_short(custom)}”.", "")
    decision = _decide(_stable_class(error_class), message, frames, notifier, disabled)
    return Grouping(_digest(decision.parts), VERSION, decision.reason, _short(decision.location))


def is_application_frame(frame: Frame, *, language: str | None = None) -> bool:
    """Whether the frame is the application's own code; without `language` the frame itself must tell it."""
    known = detect_language({"language": language} if language else None, [frame])
    return classify_frame(frame, known) is FrameOrigin.APPLICATION


def application_frames(frames: Sequence[Frame], notifier: Mapping[str, object] | None = None) -> list[bool]:
    """For each frame whether it is the application's own, in the same order."""
    language = detect_language(notifier, frames)
    return [classify_frame(frame, language) is FrameOrigin.APPLICATION for frame in frames]


def _decide(
    error_class: str,
    message: str,
    frames: Sequence[Frame],
    notifier: Mapping[str, object] | None,
    disabled: frozenset[str],
) -> _Decision:
    language = detect_language(notifier, frames)
    trace = Stack(language.innermost_first(frames), language, disabled)
    if not any(map(has_location, trace.frames)):
        return _by_message(error_class, message)
    spot = culprit.find_culprit(trace)
    if spot is None:
        return _by_library(error_class, message, trace)
    if "recursion" not in disabled:
        recursion = _by_recursion(error_class, message, trace)
        if recursion:
            return recursion
    if "values" not in disabled and language.is_error_value(frames):
        return _by_value(error_class, message, trace, spot)
    return _by_culprit(error_class, message, trace, spot)


def _by_culprit(error_class: str, message: str, trace: Stack, spot: CulpritFrame) -> _Decision:
    """The rule itself: the class, and the function in the application's code where the error was raised."""
    place = culprit.location_of(trace, spot.at)
    worded = line = ""
    if not place.name or spot.generated:
        # The place says little, so what the message is about counts as well.
        worded = _sense(error_class, message)
    elif spot.direct and "wording" not in trace.disabled:
        worded = _message_keywords(error_class, message)
    frame = trace.frames[spot.at]
    if not place.name and (frame.method == UNKNOWN or "enclosing" in trace.disabled):
        line = str(frame.line)
    qualified = place.name and trace.language.has_qualified_names
    parts = ("place", error_class, "" if qualified else place.file, place.name, worded, line)
    where = str(CodeLocation(place.file.rpartition("/")[2], place.name)) + (f", line {line}" if line else "")
    reason = f"Reports of {_short(error_class)} raised in {_short(where)}"
    return _Decision(parts, _sentence(reason, worded, "whose messages have the words"), str(place))


def _by_message(error_class: str, message: str) -> _Decision:
    shape = messages.normalize_message(message)
    reason = f"Reports of {_short(error_class)} without a backtrace"
    return _Decision(("message", error_class, shape), _sentence(reason, shape, "whose messages read"))


def _by_value(error_class: str, message: str, trace: Stack, spot: CulpritFrame) -> _Decision:
    place = culprit.location_of(trace, spot.at)
    shape = messages.normalize_message(message)
    reason = f"Reports of {_short(error_class)} reported in {_short(str(place))}"
    parts = ("value", error_class, place.name or place.file, shape)
    return _Decision(parts, _sentence(reason, shape, "whose messages read"), str(place))


def _by_library(error_class: str, message: str, trace: Stack) -> _Decision:
    outer, inner = library_span(trace.frames, trace.language)
    said = messages.missing_name(message)
    if not said and not messages.is_runtime_message(error_class):
        said = " ".join(messages.normalize_message(message).split()[:4])
    where = inner if outer == inner else f"{inner}, called by {outer}"
    reason = f"Reports of {_short(error_class)} raised in {_short(where)}, outside the application's own code"
    return _Decision(
        ("library", error_class, outer, inner, said),
        _sentence(reason, said, "whose messages have the words"),
        inner,
    )


def _by_recursion(error_class: str, message: str, trace: Stack) -> _Decision | None:
    """The circle of functions that filled the stack, or in which the SDK cut the backtrace; else None."""
    if messages.is_stack_overflow(error_class, message):
        members, _ = culprit.recursion_cycle(trace)
        names = sorted(map(str, members))
        named = _short(" and ".join(names[:3]))
        reason = f"Reports of {_short(error_class)} that the recursion of {named} filled the stack."
        # Not the class: Firefox has one of its own for this.
        return _Decision(("recursion", *names), reason, names[0])
    max_frames = trace.language.max_frames
    if max_frames is None or len(trace.frames) < max_frames:
        return None
    members, turns = culprit.recursion_cycle(trace)
    if turns < _MIN_CYCLE_REPEATS:
        return None
    # Most likely the circle went on to where it began, as the backtraces of it that were not cut do.
    entry = members[0]
    worded = "" if "wording" in trace.disabled else _message_keywords(error_class, message)
    reason = f"Reports of {_short(error_class)} raised in the recursion of {_short(str(entry))}"
    return _Decision(
        ("place", error_class, entry.file, entry.name, worded, ""),
        _sentence(reason, worded, "whose messages have the words"),
        str(entry),
    )


def _message_keywords(error_class: str, message: str) -> str:
    return "" if messages.is_runtime_message(error_class) else messages.keywords(message)


def _sense(error_class: str, message: str) -> str:
    if messages.is_runtime_message(error_class):
        return messages.missing_name(message)
    return messages.keywords(message)


def _sentence(reason: str, said: str, joint: str) -> str:
    return f"{reason}, {joint} “{_short(said)}”." if said else f"{reason}."


# A class made at run time carries its address, or the file it stands in: #<Class:0x00007f1>,
# class@anonymous/src/a.php:3$0
_PASSING = re.compile(r":?0x[0-9a-fA-F]+|(?<=@anonymous).{1,300}\Z", re.DOTALL)


def _stable_class(error_class: str) -> str:
    return _PASSING.sub("", error_class.strip()[:300].lstrip("*"))


def _short(text: str, length: int = 120) -> str:
    line = " ".join(text[:1000].split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _digest(parts: tuple[str, ...]) -> str:
    # The unit separator cannot come to stand between two parts by what a client sends: it is taken out.
    text = "\x1f".join([str(VERSION), *(part.replace("\x1f", " ") for part in parts)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
