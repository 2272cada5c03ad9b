"""What a report's language is, in which order its frames come, and the quirks of how its runtime lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from checkend.ingest.backtraces import UNKNOWN, Frame

# notifier.language, or a word of notifier.name, to the languages that the rules tell apart.
_LANGUAGES = {
    "python": "python",
    "ruby": "ruby",
    "javascript": "javascript",
    "typescript": "javascript",
    "node": "javascript",
    "browser": "javascript",
    "nextjs": "javascript",
    "go": "go",
    "golang": "go",
    "php": "php",
    "elixir": "elixir",
    "erlang": "elixir",
    "java": "java",
    "kotlin": "java",
    "scala": "java",
    "csharp": "dotnet",
    "dotnet": "dotnet",
    "fsharp": "dotnet",
}
_ENDINGS = {
    "py": "python",
    "pyx": "python",
    "rb": "ruby",
    "erb": "ruby",
    "rake": "ruby",
    "js": "javascript",
    "mjs": "javascript",
    "cjs": "javascript",
    "ts": "javascript",
    "tsx": "javascript",
    "jsx": "javascript",
    "vue": "javascript",
    "svelte": "javascript",
    "go": "go",
    "php": "php",
    "ex": "elixir",
    "exs": "elixir",
    "erl": "elixir",
    "java": "java",
    "kt": "java",
    "scala": "java",
    "groovy": "java",
    "clj": "java",
    "cs": "dotnet",
    "fs": "dotnet",
    "vb": "dotnet",
}
_LOOKED_AT = 12


def language_of(notifier: Mapping[str, object] | None, frames: Sequence[Frame]) -> str:
    """python, ruby, javascript, go, php, elixir, java, dotnet, or "" when neither notifier nor frames tell."""
    if notifier:
        said = notifier.get("language")
        if isinstance(said, str) and said.lower() in _LANGUAGES:
            return _LANGUAGES[said.lower()]
        name = notifier.get("name")
        if isinstance(name, str):
            for word in re.findall(r"[a-z]+", name.lower()[:100]):
                if word in _LANGUAGES:
                    return _LANGUAGES[word]
    for frame in frames[:_LOOKED_AT]:
        ending = frame.file[-200:].partition("?")[0].rpartition(".")[2].lower()
        if ending in _ENDINGS:
            return _ENDINGS[ending]
        if frame.method.startswith("Elixir."):
            return "elixir"
        if frame.file.startswith(("http://", "https://")):
            return "javascript"
    return ""


# Functions in which a Python program, thread or request begins.
_PYTHON_STARTS = frozenset(
    {"<module>", "_bootstrap", "_bootstrap_inner", "_run_module_as_main", "_run_code", "wsgi_app", "__call__", "main"}
)


def innermost_first(frames: Sequence[Frame], language: str) -> list[Frame]:
    """The frames with the place of the error first.

    Python lists a call before what it called, all others the other way round. Frames that begin where a
    program ends up, and end where it begins, come from a client that turned them already.
    """
    ordered = list(frames)
    if language != "python":
        return ordered
    turned = len(ordered) > 1 and ordered[-1].method in _PYTHON_STARTS and ordered[0].method not in _PYTHON_STARTS
    if not turned or ordered[-1].method in ("main", "__call__"):
        ordered.reverse()
    return ordered


def with_own_functions(frames: list[Frame], language: str) -> list[Frame]:
    """PHP names beside each line the function called there: give each line the function that it stands in."""
    if language != "php":
        return frames
    outer = [frame.method for frame in frames[1:]] + ["{main}"]
    return [frame._replace(method=method) for frame, method in zip(frames, outer, strict=True)]


def skip_builtins(frames: Sequence[Frame], start: int, language: str) -> int:
    """The index of the first frame from `start` on that is no built-in reported at the line that called it.

    Ruby and PHP have no file for Integer#/ or intdiv(), so they repeat the caller's place.
    """
    if language not in ("ruby", "php"):
        return start
    index = start
    while index + 1 < len(frames):
        here, caller = frames[index], frames[index + 1]
        if here.file != caller.file or here.line != caller.line or here.method == caller.method:
            break
        index += 1
    return index


# A deep recursion is cut off by the runtime or the SDK, so where in its circle it ends is chance.
_OVERFLOW_CLASSES = frozenset({"RecursionError", "SystemStackError", "StackOverflowError", "StackOverflowException"})
_OVERFLOW = re.compile(r"maximum call stack|too much recursion|stack level too deep|recursion depth", re.IGNORECASE)


def is_overflow(error_class: str, message: str) -> bool:
    """Whether the error says that the stack was full."""
    return error_class.rpartition(".")[2] in _OVERFLOW_CLASSES or bool(_OVERFLOW.search(message[:200]))


def is_cut_short(frames: Sequence[Frame], language: str) -> bool:
    """Whether the innermost frames were left out: the Python SDK keeps the first 100, the outermost."""
    return language == "python" and len(frames) >= 100


def has_no_stack_of_its_own(ordered: Sequence[Frame], language: str) -> bool:
    """Whether the frames show where an error was reported, not where it was made.

    True of Go's error values, which carry no stack; a panic shows by its own frame.
    """
    if language != "go":
        return False
    return not any(frame.method in ("runtime.gopanic", "runtime.panic", "panic") for frame in ordered[:12])


def is_placed(frame: Frame) -> bool:
    """Whether a grammar could read the frame at all."""
    return frame.method != UNKNOWN or frame.line != 0
