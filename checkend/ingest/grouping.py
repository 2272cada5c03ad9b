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

from checkend.ingest import function_names, message_shapes, places, runtimes
from checkend.ingest.app_frames import Origin, origin
from checkend.ingest.backtraces import UNKNOWN, Frame
from checkend.ingest.library_names import library_span
from checkend.ingest.places import Place, Spot, Trace

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
_LEAST_TURNS = 3  # how often a function must come round in a cut backtrace before it is taken for a recursion


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
    known = runtimes.language_of(None, [frame]) if language is None else language
    return origin(frame, known) is Origin.APPLICATION


def application_frames(frames: Sequence[Frame], notifier: Mapping[str, object] | None = None) -> list[bool]:
    """For each frame whether it is the application's own, in the same order."""
    language = runtimes.language_of(notifier, frames)
    return [origin(frame, language) is Origin.APPLICATION for frame in frames]


def _decide(
    error_class: str,
    message: str,
    frames: Sequence[Frame],
    notifier: Mapping[str, object] | None,
    disabled: frozenset[str],
) -> _Decision:
    language = runtimes.language_of(notifier, frames)
    trace = Trace(runtimes.innermost_first(frames, language), language, disabled)
    if not any(map(runtimes.is_placed, trace.frames)):
        return _by_message(error_class, message)
    spot = places.find_spot(trace)
    if spot is None:
        return _by_library(error_class, message, trace)
    if "recursion" not in disabled:
        recursion = _by_recursion(error_class, message, trace)
        if recursion:
            return recursion
    if "values" not in disabled and language == "go" and not runtimes.is_panic(frames):
        return _by_value(error_class, message, trace, spot)
    return _by_place(error_class, message, trace, spot)


def _by_place(error_class: str, message: str, trace: Trace, spot: Spot) -> _Decision:
    """The rule itself: the class, and the function in the application's code where the error was raised."""
    place = places.place_at(trace, spot.at)
    worded = line = ""
    if not place.name or spot.generated:
        # The place says little, so what the message is about counts as well.
        worded = _sense(error_class, message)
    elif spot.direct and "wording" not in trace.disabled:
        worded = _wording(error_class, message)
    frame = trace.frames[spot.at]
    if not place.name and (frame.method == UNKNOWN or "enclosing" in trace.disabled):
        line = str(frame.line)
    qualified = place.name and trace.language in function_names.QUALIFIED
    parts = ("place", error_class, "" if qualified else place.file, place.name, worded, line)
    where = str(Place(place.file.rpartition("/")[2], place.name)) + (f", line {line}" if line else "")
    reason = f"Reports of {_short(error_class)} raised in {_short(where)}"
    return _Decision(parts, _sentence(reason, worded, "whose messages have the words"), str(place))


def _by_message(error_class: str, message: str) -> _Decision:
    shape = message_shapes.shape(message)
    reason = f"Reports of {_short(error_class)} without a backtrace"
    return _Decision(("message", error_class, shape), _sentence(reason, shape, "whose messages read"))


def _by_value(error_class: str, message: str, trace: Trace, spot: Spot) -> _Decision:
    place = places.place_at(trace, spot.at)
    shape = message_shapes.shape(message)
    reason = f"Reports of {_short(error_class)} reported in {_short(str(place))}"
    parts = ("value", error_class, place.name or place.file, shape)
    return _Decision(parts, _sentence(reason, shape, "whose messages read"), str(place))


def _by_library(error_class: str, message: str, trace: Trace) -> _Decision:
    outer, inner = library_span(trace.frames, trace.language)
    said = message_shapes.named_thing(message)
    if not said and not message_shapes.is_worded_by_runtime(error_class):
        said = " ".join(message_shapes.shape(message).split()[:4])
    where = inner if outer == inner else f"{inner}, called by {outer}"
    reason = f"Reports of {_short(error_class)} raised in {_short(where)}, outside the application's own code"
    return _Decision(
        ("library", error_class, outer, inner, said),
        _sentence(reason, said, "whose messages have the words"),
        inner,
    )


def _by_recursion(error_class: str, message: str, trace: Trace) -> _Decision | None:
    """The circle of functions that filled the stack, or in which the SDK cut the backtrace; else None."""
    if runtimes.is_overflow(error_class, message):
        members, _ = places.circle(trace)
        names = sorted(map(str, members))
        named = _short(" and ".join(names[:3]))
        reason = f"Reports of {_short(error_class)} that the recursion of {named} filled the stack."
        # Not the class: Firefox has one of its own for this.
        return _Decision(("recursion", *names), reason, names[0])
    if not runtimes.is_cut_short(trace.frames, trace.language):
        return None
    members, turns = places.circle(trace)
    if turns < _LEAST_TURNS:
        return None
    # Most likely the circle went on to where it began, as the backtraces of it that were not cut do.
    entry = members[0]
    worded = "" if "wording" in trace.disabled else _wording(error_class, message)
    reason = f"Reports of {_short(error_class)} raised in the recursion of {_short(str(entry))}"
    return _Decision(
        ("place", error_class, entry.file, entry.name, worded, ""),
        _sentence(reason, worded, "whose messages have the words"),
        str(entry),
    )


def _wording(error_class: str, message: str) -> str:
    return "" if message_shapes.is_worded_by_runtime(error_class) else message_shapes.wording(message)


def _sense(error_class: str, message: str) -> str:
    if message_shapes.is_worded_by_runtime(error_class):
        return message_shapes.named_thing(message)
    return message_shapes.wording(message)


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
