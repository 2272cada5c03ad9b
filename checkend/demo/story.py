"""Definitions of the demo data: apps, and stories, each of which becomes one problem of an app."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DemoApp:
    """An app of the demo. ``notifier`` is its SDK, ``outer`` are the outermost frames of all its errors."""

    name: str
    team: str
    notifier: dict[str, str]
    outer: tuple[Any, ...]
    hosts: tuple[str, ...]
    stories: tuple["Story", ...]
    environment: str = "production"


@dataclass(frozen=True, slots=True)
class Story:
    """A problem: ``frames`` are its innermost frames, ``messages`` may contain ``{n}`` and ``{email}``.

    ``course`` is the distribution of its reports over time (`checkend.demo.history.COURSES`), ``times`` their number.
    """

    error_class: str
    messages: tuple[str, ...]
    frames: tuple[Any, ...]
    course: str
    times: int
    url: str = ""
    method: str = "GET"
    tags: tuple[str, ...] = ()
    context: tuple[tuple[str, Any], ...] = ()


def sdk(name: str, version: str, language: str, language_version: str) -> dict[str, str]:
    """Return the notifier that an official SDK sends."""
    return {"name": name, "version": version, "language": language, "language_version": language_version}


def frame(file: str, line: int, method: str) -> dict[str, Any]:
    """Return a frame as sent by those SDKs that send objects."""
    return {"file": file, "line": line, "method": method}
