"""Stack traces as pages display them: innermost frame first, with runs of frames that are not in-app folded."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from checkend.grouping.frames import FrameOrigin, classify_frame
from checkend.grouping.languages import detect_language
from checkend.grouping.stacktrace import Frame, frame_text, parse_stacktrace

MAX_FRAMES = 1_000


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Consecutive frames that are all in-app or all not; ``kind`` is ``in-app``, ``library`` or ``other``."""

    in_app: bool
    frames: list[Frame]
    kind: str


@dataclass(frozen=True, slots=True)
class StacktraceView:
    """Runs of frames, innermost first. ``omitted`` is the number of frames beyond `MAX_FRAMES`; the raw JSON has them.

    ``total`` counts all frames, ``in_app`` those in-app among the first `MAX_FRAMES`.
    """

    runs: list[FrameRun]
    total: int
    in_app: int
    omitted: int

    @property
    def text(self) -> str:
        """The frames as text, one per line; an arrow marks those that are in-app."""
        return "\n".join(
            f"{'→' if run.in_app else ' '} {frame_text(frame)}" for run in self.runs for frame in run.frames
        )


def present_stacktrace(raw: Any, notifier: Mapping[str, object] | None) -> StacktraceView:
    """Return the stack trace ``raw``, as it was reported with this notifier, for display."""
    frames = parse_stacktrace(raw)
    language = detect_language(notifier, frames)
    ordered = language.innermost_first(frames)
    classified = [(frame, classify_frame(frame, language)) for frame in ordered[:MAX_FRAMES]]
    runs = []
    for in_app_run, group in groupby(classified, key=lambda pair: pair[1] is FrameOrigin.APPLICATION):
        run_frames, origins = zip(*group, strict=True)
        kind = "in-app" if in_app_run else "library" if set(origins) == {FrameOrigin.LIBRARY} else "other"
        runs.append(FrameRun(in_app_run, list(run_frames), kind))
    in_app = sum(origin is FrameOrigin.APPLICATION for _, origin in classified)
    return StacktraceView(runs, len(frames), in_app, max(len(frames) - MAX_FRAMES, 0))
