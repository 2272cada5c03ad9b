"""What the demo is told in: apps, and stories, each of which is one problem of an app."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DemoApp:
    """An app of the demo: its language decides the SDK that reports, ``outer`` are the frames around all errors."""

    name: str
    team: str
    notifier: dict[str, str]
    outer: tuple[Any, ...]
    hosts: tuple[str, ...]
    stories: tuple["Story", ...]
    site: str = ""
    environment: str = "production"


@dataclass(frozen=True, slots=True)
class Story:
    """One problem: ``frames`` are its innermost ones, ``messages`` take ``{n}`` and ``{email}``.

    ``course`` is how it goes on over time (`checkend.demo.history`), ``times`` how many reports there are.
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
    """The notifier that an official SDK names itself."""
    return {"name": name, "version": version, "language": language, "language_version": language_version}


def frame(file: str, line: int, method: str) -> dict[str, Any]:
    """A frame as the SDKs send it that send objects."""
    return {"file": file, "line": line, "method": method}
