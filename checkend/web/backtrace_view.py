"""A notice's backtrace as the page shows it: innermost frame first, runs of library frames folded."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from checkend.ingest.app_frames import Origin, origin
from checkend.ingest.backtraces import UNKNOWN, Frame, parse
from checkend.ingest.runtimes import innermost_first, language_of

MOST_FRAMES = 1_000


@dataclass(frozen=True, slots=True)
class Run:
    """Frames that follow each other, all the application's own or all not; then ``what`` says whose they are."""

    own: bool
    frames: list[Frame]
    what: str = ""


@dataclass(frozen=True, slots=True)
class BacktraceView:
    """Runs of frames, innermost first. ``left_out`` counts the frames beyond `MOST_FRAMES`; the raw JSON has them."""

    runs: list[Run]
    total: int
    own: int
    left_out: int

    @property
    def text(self) -> str:
        """The frames as text, a line each, the application's own marked with an arrow."""
        return "\n".join(f"{'→' if run.own else ' '} {frame_text(frame)}" for run in self.runs for frame in run.frames)


def view(raw: Any, notifier: Mapping[str, object] | None) -> BacktraceView:
    """How to show the backtrace ``raw``, as it was sent, of a report with this notifier."""
    frames = parse(raw)
    language = language_of(notifier, frames)
    ordered = innermost_first(frames, language)
    shown = [(frame, origin(frame, language)) for frame in ordered[:MOST_FRAMES]]
    runs = [_run(list(group)) for _, group in groupby(shown, key=lambda pair: pair[1] is Origin.APPLICATION)]
    own = sum(whose is Origin.APPLICATION for _, whose in shown)
    return BacktraceView(runs, len(frames), own, max(len(frames) - MOST_FRAMES, 0))


def _run(frames: list[tuple[Frame, Origin]]) -> Run:
    whose = {origin for _, origin in frames}
    what = "library" if whose == {Origin.LIBRARY} else "other"
    return Run(whose == {Origin.APPLICATION}, [frame for frame, _ in frames], what)


def frame_text(frame: Frame) -> str:
    """Return ``file:line:column in method``, without the parts that are not known."""
    place = frame.file
    if frame.line > 0:
        place += f":{frame.line}" + (f":{frame.column}" if frame.column else "")
    return place if frame.method == UNKNOWN else f"{place} in {frame.method}"
