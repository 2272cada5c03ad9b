"""A notice's backtrace as the page shows it: innermost frame first, runs of library frames folded."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from checkend.grouping.frames import FrameOrigin, classify_frame
from checkend.grouping.languages import detect_language
from checkend.grouping.stacktrace import UNKNOWN, Frame, parse_stacktrace

MAX_FRAMES = 1_000


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Frames that follow each other, all the application's own or all not; then ``what`` says whose they are."""

    own: bool
    frames: list[Frame]
    what: str = ""


@dataclass(frozen=True, slots=True)
class StacktraceView:
    """Runs of frames, innermost first. ``left_out`` counts the frames beyond `MAX_FRAMES`; the raw JSON has them."""

    runs: list[FrameRun]
    total: int
    own: int
    left_out: int

    @property
    def text(self) -> str:
        """The frames as text, a line each, the application's own marked with an arrow."""
        return "\n".join(f"{'→' if run.own else ' '} {frame_text(frame)}" for run in self.runs for frame in run.frames)


def present_stacktrace(raw: Any, notifier: Mapping[str, object] | None) -> StacktraceView:
    """How to show the backtrace ``raw``, as it was sent, of a report with this notifier."""
    frames = parse_stacktrace(raw)
    language = detect_language(notifier, frames)
    ordered = language.innermost_first(frames)
    shown = [(frame, classify_frame(frame, language)) for frame in ordered[:MAX_FRAMES]]
    runs = [_run(list(group)) for _, group in groupby(shown, key=lambda pair: pair[1] is FrameOrigin.APPLICATION)]
    own = sum(whose is FrameOrigin.APPLICATION for _, whose in shown)
    return StacktraceView(runs, len(frames), own, max(len(frames) - MAX_FRAMES, 0))


def _run(frames: list[tuple[Frame, FrameOrigin]]) -> FrameRun:
    whose = {origin for _, origin in frames}
    what = "library" if whose == {FrameOrigin.LIBRARY} else "other"
    return FrameRun(whose == {FrameOrigin.APPLICATION}, [frame for frame, _ in frames], what)


def frame_text(frame: Frame) -> str:
    """Return ``file:line:column in method``, without the parts that are not known."""
    place = frame.file
    if frame.line > 0:
        place += f":{frame.line}" + (f":{frame.column}" if frame.column else "")
    return place if frame.method == UNKNOWN else f"{place} in {frame.method}"
