"""Go: closures, generics, pointer receivers; panics and error values; GOROOT, the module cache, -trimpath."""

from __future__ import annotations

import re
from collections.abc import Sequence

from checkend.grouping.language import Language, words
from checkend.grouping.stacktrace import Frame

_STANDARD_LIBRARY = words(
    """
    archive bufio bytes cmp compress container context crypto database debug embed encoding errors
    expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin
    reflect regexp runtime slices sort strconv strings structs sync syscall testing text time unicode
    unique unsafe weak
    """
)
# The first two match texts that only begin like what is to be removed as well, but without the group, so that no
# character is scanned twice: the cost is linear.
_TYPE_PARAMETERS = re.compile(r"\[[^\]]*+(\])?")
_CLOSURE = re.compile(r"(?:\.(?:func|gowrap|deferwrap)?\d++|-fm|-range\d++|·dwrap·\d++)++(\Z)?")
_POINTER_RECEIVER = re.compile(r"\(\*?(\w+)\)")


def _innermost_first(frames: Sequence[Frame]) -> list[Frame]:
    # Deferred functions that recover run on top of the panic, so their frames come before it.
    ordered = list(frames[_panic_index(frames) + 1 :] or frames)
    while len(ordered) > 1 and ordered[0].method.startswith("runtime."):
        ordered.pop(0)
    return ordered


def _panic_index(frames: Sequence[Frame]) -> int:
    for index, frame in enumerate(frames):
        if frame.method in ("runtime.gopanic", "panic"):
            return index
    return -1


def _is_library(path: str, function: str) -> bool:
    # The import paths of the standard library contain no dot, but neither do those of many apps, so the folder decides:
    # GOROOT/src/net/http/server.go, or with -trimpath net/http/server.go.
    folder, _, last = function.rpartition("/")
    package = f"{folder}/{last.partition('.')[0]}".lstrip("/")
    has_standard_name = package.partition("/")[0] in _STANDARD_LIBRARY
    is_in_package_folder = f"/src/{package}/" in path or path.startswith(f"{package}/")
    is_from_module_cache = "@" in path  # mod/github.com/x/y@v1.2.3
    return is_from_module_cache or function.startswith("runtime.") or (has_standard_name and is_in_package_folder)


def _clean_name(name: str, minified: bool) -> str:
    for pattern in (_TYPE_PARAMETERS, _CLOSURE):
        name = pattern.sub(lambda match: match[0] if match[1] is None else "", name)
    if name.endswith((".glob.", ".glob", ".init")):
        return ""
    return _POINTER_RECEIVER.sub(r"\1", name)


def _package(frame: Frame) -> str:
    folder, slash, name = frame.method.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


LANGUAGE = Language(
    name="go",
    aliases=words("go golang"),
    extensions=words("go"),
    innermost_first=_innermost_first,
    is_library=_is_library,
    clean_name=_clean_name,
    package=_package,
    is_error_value=lambda frames: _panic_index(frames) < 0,
    has_qualified_names=True,
    library_paths="/pkg/mod/",
    scheduler_packages="runtime",
    runtime_errors=words("TypeAssertionError plainError"),
)
