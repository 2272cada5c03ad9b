"""Properties of single frames, read with the knowledge of their report's language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

from checkend.grouping.language import Language
from checkend.grouping.languages import LANGUAGES
from checkend.grouping.languages.python import is_windows_standard_library
from checkend.grouping.stacktrace import UNKNOWN, Frame

# Longer texts are not cached, so that 4,096 classified frames take at most a few megabytes.
_MAX_CACHED_LENGTH = 300
_MAX_LENGTH = 1000  # characters of a file and a function together; a longer one is no real location
_MAX_NAME_LENGTH = 500  # characters of a function's name; the rest is ignored, which bounds the cache

_GENERATED_PATH = re.compile(
    r"^<(?!anonymous>|frozen|internal|computed) | "
    + " | ".join(language.generated_paths for language in LANGUAGES if language.generated_paths),
    re.VERBOSE,
)
# The first line is for languages that have no module of their own, and for folders that several use.
_LIBRARY_PATH = re.compile(
    r"""/vendor/(?!assets/|javascript/) | ^vendor/ | /third_party/ | /var/runtime/ |
        ^dart: | ^package:flutter/ | /\.cargo/registry/ | ^/rustc/ | """
    + " | ".join(language.library_paths for language in LANGUAGES if language.library_paths),
    re.VERBOSE,
)
_SCHEDULER_PACKAGE = re.compile(
    f"(?:{'|'.join(language.scheduler_packages for language in LANGUAGES if language.scheduler_packages)})(?![\\w])",
    re.VERBOSE,
)


class FrameOrigin(Enum):
    """Origin of the code of a frame."""

    APPLICATION = "application"
    LIBRARY = "library"
    GENERATED = "generated"  # at run time, such as an eval or a compiled template; its name changes with each run
    NOWHERE = "nowhere"  # a line without a location, in no known format


def classify_frame(frame: Frame, language: Language) -> FrameOrigin:
    """Return where the frame's code comes from, judged by its file and function alone."""
    file, line, method, column = frame
    length = len(file) + len(method)
    if length > _MAX_LENGTH or (method == UNKNOWN and line == 0 and column == 0):
        return FrameOrigin.NOWHERE
    classify = _cached_classify if length <= _MAX_CACHED_LENGTH else _classify
    return classify(file, method, language)


def _classify(file: str, method: str, language: Language) -> FrameOrigin:
    path = file.replace("\\", "/")
    if _GENERATED_PATH.search(path):
        return FrameOrigin.GENERATED
    if _LIBRARY_PATH.search(path) or is_windows_standard_library(path) or language.is_library(path, method):
        return FrameOrigin.LIBRARY
    return FrameOrigin.APPLICATION


_cached_classify = lru_cache(maxsize=4096)(_classify)


def has_location(frame: Frame) -> bool:
    """Return whether the frame was parsed, rather than kept as text in an unknown format."""
    return frame.method != UNKNOWN or frame.line != 0


def normalize_function_name(method: str, language: Language, *, minified: bool = False) -> str:
    """Normalize a function's name so that it is stable across builds; return "" for a function without a name.

    A name is "" for a lambda, a block at file level, or a name made up by a minifier: it cannot distinguish two
    functions. Short names in ``minified`` files are such names.
    """
    return _normalize_function_name(method[:_MAX_NAME_LENGTH], language, minified)


@lru_cache(maxsize=2048)
def _normalize_function_name(name: str, language: Language, minified: bool) -> str:
    return "" if not name or name == UNKNOWN else language.clean_name(name, minified)


def skip_builtins(frames: Sequence[Frame], start: int, language: Language) -> int:
    """Return the index of the first frame from ``start`` on that is not a built-in function."""
    if not language.repeats_builtins:
        return start
    index = start
    while index + 1 < len(frames):
        callee, caller = frames[index], frames[index + 1]
        if callee.file != caller.file or callee.line != caller.line or callee.method == caller.method:
            break
        index += 1
    return index


def library_span(frames: Sequence[Frame], language: Language) -> tuple[str, str]:
    """Return the outermost and the innermost package of frames in libraries, ordered innermost first.

    Packages that only start threads, tasks and requests are ignored if there are others. The functions are ignored
    because they change from version to version.
    """
    packages = [package for frame in frames if (package := language.package(frame))]
    packages = [package for package in packages if not _SCHEDULER_PACKAGE.match(package)] or packages
    return (packages[-1], packages[0]) if packages else ("", "")
