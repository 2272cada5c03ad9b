"""What a report's language is, in which order its frames come, and how its runtime lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from checkend.grouping.stacktrace import UNKNOWN, Frame

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


def detect_language(notifier: Mapping[str, object] | None, frames: Sequence[Frame]) -> str:
    """python, ruby, javascript, go, php, elixir, java or dotnet; "" when neither notifier nor frames tell."""
    if notifier:
        said = notifier.get("language")
        if isinstance(said, str) and said.lower() in _LANGUAGES:
            return _LANGUAGES[said.lower()]
        name = notifier.get("name")
        if isinstance(name, str):
            for word in re.findall(r"[a-z]+", name[:100].lower()):
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


# Only a program's or a thread's very first call has these names (an import may fail in a `<module>`).
_PYTHON_STARTS = frozenset({"_bootstrap", "_bootstrap_inner", "_run_module_as_main"})


def innermost_first(frames: Sequence[Frame], language: str) -> list[Frame]:
    """The frames with the place of the error first, each named by the function that its line stands in."""
    ordered = list(frames)
    if language == "python":
        # Python lists a call before what it called, all others the other way round. Frames that end where a
        # program begins come from a client that turned them already.
        if ordered and ordered[-1].method not in _PYTHON_STARTS:
            ordered.reverse()
    elif language == "php" and ordered:
        # PHP names beside each line the function that was called there: the next frame has its own.
        own = [frame.method for frame in ordered[1:]] + ["{main}"]
        ordered = [Frame(f.file, f.line, name, f.column) for f, name in zip(ordered, own, strict=True)]
    elif language == "go":
        # Deferred functions that recover run on top of the panic, and so stand before it.
        ordered = ordered[_panic(ordered) + 1 :] or ordered
        while len(ordered) > 1 and ordered[0].method.startswith("runtime."):
            ordered.pop(0)
    return ordered


def is_panic(frames: Sequence[Frame]) -> bool:
    """Whether Go frames show where a panic began; else they only show where an error value was reported."""
    return _panic(frames) >= 0


def _panic(frames: Sequence[Frame]) -> int:
    for index, frame in enumerate(frames):
        if frame.method in ("runtime.gopanic", "panic"):
            return index
    return -1


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


def is_truncated(frames: Sequence[Frame], language: str) -> bool:
    """Whether the innermost frames were left out: the Python SDK keeps the first 100, the outermost."""
    return language == "python" and len(frames) >= 100


def has_location(frame: Frame) -> bool:
    """Whether a grammar could read the frame at all."""
    return frame.method != UNKNOWN or frame.line != 0
