"""Names for library frames, used when a backtrace has no others: which package called, which one failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from checkend.grouping.paths import normalize_path
from checkend.grouping.stacktrace import Frame


def library_span(ordered: Sequence[Frame], language: str) -> tuple[str, str]:
    """The outermost and the innermost package of frames that are innermost first.

    What only starts threads, tasks and requests is left out, unless nothing else is there. Packages, not
    functions: those change from version to version.
    """
    name = _NAMES.get(language, _other)
    packages = [package for frame in ordered if (package := name(frame))]
    telling = [package for package in packages if not _MACHINERY.match(package)] or packages
    return (telling[-1], telling[0]) if telling else ("", "")


_MACHINERY = re.compile(
    r"""(?:
    threading | asyncio | concurrent | multiprocessing | runpy | importlib | contextlib | socketserver |
    selectors | queue | sched | gunicorn | uvicorn |
    java\.util\.concurrent | java\.lang | jdk\.internal | sun\.reflect |
    System\.Threading | System\.Runtime | runtime |
    proc_lib | gen_server | gen_statem | gen_event | gen | supervisor | Task | timer | erl_eval | GenServer |
    <internal
    )(?![\w])""",
    re.VERBOSE,
)


def _path(frame: Frame) -> str:
    # The patterns below look for the last folder of packages, so the end is enough; and it bounds their work.
    return frame.file[-600:].replace("\\", "/")


def _python(frame: Frame) -> str:
    path = _path(frame)
    below = _PYTHON_HOME.match(path)
    rest = path[below.end() :] if below else path.removeprefix("/var/task/").removeprefix("/opt/python/")
    return rest.lstrip("/").partition("/")[0].removesuffix(".py")


_PYTHON_HOME = re.compile(r".*/(?:(?:site|dist)-packages|lib/python[\d.]+|Lib)/", re.DOTALL)


def _javascript(frame: Frame) -> str:
    found = _NODE_PACKAGE.match(_path(frame))
    if found:
        return found[1]
    if frame.file.startswith(("http", "webpack")):
        return normalize_path(frame.file)
    # Which of Node's own files are passed through changes with each version: they all count as one.
    return "" if frame.file.startswith("<") else "node"


_NODE_PACKAGE = re.compile(r".*node_modules/((?:@[^/]{1,100}/)?[^/]{1,100})", re.DOTALL)


def _ruby(frame: Frame) -> str:
    found = _GEM.match(_path(frame))
    return (found[1] or found[2]) if found else normalize_path(frame.file)


_GEM = re.compile(r".*/(?:gems/([\w.-]{1,80}?)-\d[^/]*/|lib/ruby/[\d.]{1,12}/([\w-]{1,60}))", re.DOTALL)


def _php(frame: Frame) -> str:
    found = _COMPOSER.match(_path(frame))
    return found[1] if found else ""


_COMPOSER = re.compile(r".*vendor/([\w.-]{1,80}/[\w.-]{1,80})/", re.DOTALL)


def _go(frame: Frame) -> str:
    folder, slash, name = frame.method.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _dotted(parts: int) -> Callable[[Frame], str]:
    def name(frame: Frame) -> str:
        method = frame.method.rpartition("/")[2]
        return ".".join(method.split("+")[0].split(".")[:-1][:parts])

    return name


def _elixir(frame: Frame) -> str:
    return frame.method.removeprefix("Elixir.").partition(".")[0]


def _other(frame: Frame) -> str:
    return normalize_path(frame.file)


_NAMES: dict[str, Callable[[Frame], str]] = {
    "python": _python,
    "javascript": _javascript,
    "ruby": _ruby,
    "php": _php,
    "go": _go,
    "java": _dotted(3),
    "dotnet": _dotted(2),
    "elixir": _elixir,
}
