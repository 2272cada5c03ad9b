"""Which reports are one problem: those that one change of the code would mend.

Pure and versioned. docs/grouping.md states the rule for readers; the order of decisions is `_decide`. A change of
what any report's fingerprint is raises VERSION, so that stored problems can keep the rule that made them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from checkend.ingest import file_names, function_names, message_shapes, runtimes
from checkend.ingest.app_frames import Origin, origin
from checkend.ingest.backtraces import Frame
from checkend.ingest.library_names import library_span

VERSION = 1

# The parts of the rule that an app can turn off, each with what it does.
RULES: Mapping[str, str] = {
    "libraries": "Frames of libraries and of generated code are passed over for the application's own.",
    "enclosing": "A function without a name counts as the named function around it.",
    "helpers": "A helper that only raises for others (assert, fail, an errors file) counts as its caller.",
    "recursion": "A recursion that filled the stack counts as one place, wherever it was cut off.",
    "wording": "Errors raised in one method are kept apart when their messages are worded differently.",
    "values": "A Go error value, which has no backtrace of its own, is told apart by its message.",
}

_CUSTOM_LENGTH = 200


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
    parts: tuple[str, ...]
    reason: str
    location: str = ""


class _Spot(NamedTuple):
    """The frame that a report is put down to. `direct`: the error was raised there and not further inside."""

    at: int
    direct: bool
    generated: bool


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

    `frames` come in the order sent, `disabled` names RULES of the app's choice. Never raises, whatever the text.
    """
    custom = fingerprint.strip() if fingerprint else ""
    if custom:
        own = custom if len(custom) <= _CUSTOM_LENGTH else _digest(("custom", custom))
        return Grouping(own, VERSION, f"Reports that carry the fingerprint “{_short(custom)}” of your own.", "")
    decision = _decide(_stable_class(error_class), message, frames, notifier, disabled)
    return Grouping(_digest(decision.parts), VERSION, decision.reason, decision.location)


def is_application_frame(frame: Frame, *, language: str | None = None) -> bool:
    """Whether the frame is the application's own code; without `language` the frame itself must tell it."""
    return origin(frame, language if language is not None else runtimes.language_of(None, [frame])) is Origin.APPLICATION


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
    ordered = runtimes.innermost_first(frames, language)
    if not any(map(runtimes.is_placed, ordered)):
        return _by_message(error_class, message)
    spot = _find_spot(ordered, language, disabled)
    if spot is None:
        return _by_library(error_class, message, ordered, language)
    if "recursion" not in disabled:
        recursion = _by_recursion(error_class, message, ordered, language)
        if recursion:
            return recursion
    if "values" not in disabled and language == "go" and not runtimes.is_panic(frames):
        return _by_value(error_class, message, ordered[spot.at], language)
    return _by_place(error_class, message, ordered, spot, language, disabled)


# --- where: the frame a report is put down to ---------------------------------------------------------------


def _find_spot(ordered: Sequence[Frame], language: str, disabled: frozenset[str]) -> _Spot | None:
    """The innermost frame of the application; else of generated code; None when only libraries are there."""
    if "libraries" in disabled:
        index = next(i for i, frame in enumerate(ordered) if runtimes.is_placed(frame))
        return _Spot(index, True, False)
    generated: int | None = None
    for index, frame in enumerate(ordered):
        kind = origin(frame, language)
        if kind is Origin.APPLICATION:
            return _from_application(ordered, index, generated is not None, language, disabled)
        if kind is Origin.GENERATED and generated is None:
            generated = index
    return None if generated is None else _Spot(generated, generated == 0, True)


def _from_application(
    ordered: Sequence[Frame], first: int, generated: bool, language: str, disabled: frozenset[str]
) -> _Spot:
    direct = not any(runtimes.is_placed(frame) for frame in ordered[:first])
    index = runtimes.skip_builtins(ordered, first, language)
    if "helpers" not in disabled:
        index = _past_helpers(ordered, index, language)
    return _Spot(index, direct, generated)


# Helpers are known by a verb that raises, in a file that is named as a helper's; or by a file or class whose
# whole work is to make errors.
_HELPER_VERB = re.compile(
    r"(?:assert|ensure|must|fail|abort|raise|throw|panic|bail|die|invariant|guard|unreachable|precondition|check|"
    r"require|expect|verify|demand|enforce)(?![a-z])",
    re.IGNORECASE,
)
_BARE_VERB = re.compile(r"(?:assert|ensure|invariant|fail|abort|bail|panic|die|unreachable|precondition)\Z", re.IGNORECASE)
_HELPER_FILE = re.compile(
    r"(?:_?(?:utils?|helpers?|guards?|assert\w*|ensure|support|checks?|contracts?|preconditions?|invariants?|"
    r"validat(?:ion|ions|or|ors)|common|lib))\Z",
    re.IGNORECASE,
)
_STEM = re.compile(r"[/\\]")
_ERROR_CLASS = re.compile(r"[a-z](?:Error|Exception)s?\Z")
_ERROR_FILE = re.compile(r"(?:\w*_)?(?:errors?|exceptions?)\Z|\w*[a-z](?:Errors?|Exceptions?)\Z", re.IGNORECASE)


def _past_helpers(ordered: Sequence[Frame], index: int, language: str) -> int:
    """The frame that used a helper, when the one at `index` is a helper; else `index`."""
    for _ in range(3):
        frame = ordered[index]
        owner, name = _owner_and_name(frame, language)
        makes_errors = bool(_ERROR_CLASS.search(owner))
        if not makes_errors and not _is_helper(frame, name, owner, language):
            return index
        caller = index + 1
        while caller < len(ordered) and origin(ordered[caller], language) is not Origin.APPLICATION:
            caller += 1
        # A helper in the file that uses it is a part of that file's own work.
        if caller == len(ordered) or (ordered[caller].file == frame.file and not makes_errors):
            return index
        index = caller
    return index


def _owner_and_name(frame: Frame, language: str) -> tuple[str, str]:
    """The class or module that the function's name tells, if any, and the bare name."""
    full = function_names.stable_name(frame.method, language, minified=_is_web(frame))
    owner, _, name = full.replace("::", ".").rpartition(".")
    return owner.replace("\\", ".").rpartition(".")[2], name


def _is_helper(frame: Frame, name: str, owner: str, language: str) -> bool:
    stem = owner if language in ("java", "dotnet") else _STEM.split(frame.file)[-1].partition(".")[0]
    if not name:
        return False
    if _BARE_VERB.match(name) or _ERROR_FILE.match(stem):
        return True
    return bool(_HELPER_VERB.match(name) and _HELPER_FILE.search(stem))


def _is_web(frame: Frame) -> bool:
    return frame.file.startswith(("http://", "https://"))


# --- what: the name of the place ----------------------------------------------------------------------------


class _Place(NamedTuple):
    file: str
    name: str  # "" when nothing names the function

    def __str__(self) -> str:
        return f"{self.name} ({self.file})" if self.name else self.file


def _place(ordered: Sequence[Frame], index: int, language: str, disabled: frozenset[str]) -> _Place:
    frame = ordered[index]
    name = function_names.stable_name(frame.method, language, minified=_is_web(frame))
    file = file_names.stable_name(frame.file)
    if not name and "enclosing" not in disabled and not _has_short_name(frame):
        name = _enclosing(ordered, index, language)
    return _Place(file, name)


def _has_short_name(frame: Frame) -> bool:
    """Whether a minifier renamed the function: it has a name, and its caller is no part of it."""
    return _is_web(frame) and bool(function_names.stable_name(frame.method, "javascript"))


def _enclosing(ordered: Sequence[Frame], index: int, language: str) -> str:
    """The name of the next function outwards in the same file, past what libraries and the runtime put between."""
    file = ordered[index].file
    for frame in ordered[index + 1 :]:
        if frame.file == file:
            name = function_names.stable_name(frame.method, language, minified=_is_web(frame))
            if name or _has_short_name(frame):
                return name
        elif origin(frame, language) is Origin.APPLICATION:
            return ""
    return ""


def _by_place(
    error_class: str,
    message: str,
    ordered: Sequence[Frame],
    spot: _Spot,
    language: str,
    disabled: frozenset[str],
) -> _Decision:
    place = _place(ordered, spot.at, language, disabled)
    worded = ""
    if not place.name or spot.generated:
        worded = _sense(error_class, message)
    elif spot.direct and "wording" not in disabled and not message_shapes.is_worded_by_runtime(error_class):
        worded = message_shapes.wording(message)
    file = "" if place.name and language in function_names.QUALIFIED else place.file
    line = ""
    if not place.name and "enclosing" in disabled:
        line = str(ordered[spot.at].line)
    parts = ("place", error_class, file, place.name, worded, line)
    shown = _Place(place.file.rpartition("/")[2], place.name)
    tail = f", with messages that say “{worded}”" if worded else ""
    return _Decision(parts, f"Reports of {_short(error_class)} raised in {_short(str(shown))}{tail}.", _short(str(place)))


def _sense(error_class: str, message: str) -> str:
    """What the message says, where the place alone says too little."""
    if message_shapes.is_worded_by_runtime(error_class):
        return message_shapes.named_thing(message)
    return message_shapes.wording(message)


# --- the other decisions ------------------------------------------------------------------------------------


def _by_message(error_class: str, message: str) -> _Decision:
    shape = message_shapes.shape(message)
    reason = f"Reports of {_short(error_class)} without a backtrace"
    reason += f" whose messages read “{_short(shape)}”." if shape else "."
    return _Decision(("message", error_class, shape), reason)


def _by_library(error_class: str, message: str, ordered: Sequence[Frame], language: str) -> _Decision:
    outer, inner = library_span(ordered, language)
    said = "" if message_shapes.is_worded_by_runtime(error_class) else message_shapes.shape(message)
    said = " ".join(said.split()[:4])
    where = outer if outer == inner else f"{inner}, called by {outer}"
    reason = f"Reports of {_short(error_class)} raised in {_short(where)}, with no frame of the application's own"
    reason += f", whose messages read “{said}”." if said else "."
    return _Decision(("library", error_class, outer, inner, said), reason, _short(inner))


def _by_value(error_class: str, message: str, frame: Frame, language: str) -> _Decision:
    place = _Place(file_names.stable_name(frame.file), function_names.stable_name(frame.method, language))
    shape = message_shapes.shape(message)
    reason = f"Reports of {_short(error_class)} reported in {_short(str(place))} whose messages read “{_short(shape)}”."
    return _Decision(("value", error_class, place.name or place.file, shape), reason, _short(str(place)))


def _by_recursion(error_class: str, message: str, ordered: Sequence[Frame], language: str) -> _Decision | None:
    """The circle of functions that filled the stack, or that the SDK cut the backtrace in; None when none did."""
    overflow = runtimes.is_overflow(error_class, message)
    if not overflow and not runtimes.is_cut_short(ordered, language):
        return None
    calls = Counter[_Place]()  # in the order in which they were entered
    for frame in reversed(ordered):
        if origin(frame, language) is Origin.APPLICATION:
            name = function_names.stable_name(frame.method, language, minified=_is_web(frame))
            if name:
                qualified = language in function_names.QUALIFIED
                calls[_Place("" if qualified else file_names.stable_name(frame.file), name)] += 1
    if not calls:
        # All names were made by a minifier; the class differs between browsers, so the file alone is left.
        file = next((file_names.stable_name(f.file) for f in ordered if origin(f, language) is Origin.APPLICATION), "")
        calls[_Place(file, "")] = 1
    most = max(calls.values())
    circle = [place for place, times in calls.items() if times * 2 >= most]
    if not overflow:
        return _by_cut_recursion(error_class, message, circle[0]) if most >= 3 else None
    members = sorted(map(str, circle))
    circle_parts = ("recursion", "overflow", *members)
    named = " and ".join(members[:3])
    return _Decision(circle_parts, f"Reports of {_short(error_class)} that the recursion of {_short(named)} filled the stack.", _short(members[0]))


def _by_cut_recursion(error_class: str, message: str, entry: _Place) -> _Decision:
    """The backtrace ends within a recursion: most likely it goes on to where that began, as shorter ones do."""
    worded = "" if message_shapes.is_worded_by_runtime(error_class) else message_shapes.wording(message)
    reason = f"Reports of {_short(error_class)} raised in the recursion of {_short(str(entry))}."
    return _Decision(("place", error_class, entry.file, entry.name, worded, ""), reason, _short(str(entry)))


# --- small matters ------------------------------------------------------------------------------------------


def _stable_class(error_class: str) -> str:
    name = error_class.strip()[:300].lstrip("*")
    return _ADDRESS.sub("", name)


# A class made at run time carries its address, or the file it stands in: #<Class:0x00007f1>, class@anonymous/src/a.php:3$0
_ADDRESS = re.compile(r":?0x[0-9a-fA-F]+|(?<=@anonymous).{1,300}\Z", re.DOTALL)


def _short(text: str, length: int = 120) -> str:
    line = " ".join(text[:1000].split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _digest(parts: tuple[str, ...]) -> str:
    # The unit separator cannot come to stand between two parts by what a client sends: it is taken out.
    text = "\x1f".join(part.replace("\x1f", " ") for part in (str(VERSION), *parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
