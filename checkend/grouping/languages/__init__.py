"""One module per programming language. To add one, write its module and list it in `_MODULES`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module

from checkend.grouping.language import UNKNOWN_LANGUAGE, Language
from checkend.grouping.stacktrace import Frame

_MODULES = (
    "dotnet",
    "elixir",
    "go",
    "java",
    "javascript",
    "php",
    "python",
    "ruby",
)
LANGUAGES: tuple[Language, ...] = tuple(import_module(f"{__name__}.{module}").LANGUAGE for module in _MODULES)

_BY_ALIAS = {alias: language for language in LANGUAGES for alias in language.aliases}
_BY_EXTENSION = {extension: language for language in LANGUAGES for extension in language.extensions}
_MAX_FRAMES_EXAMINED = 12


def detect_language(notifier: Mapping[str, object] | None, frames: Sequence[Frame]) -> Language:
    """Return the language of a report, or `UNKNOWN_LANGUAGE` when neither the notifier nor the frames reveal it."""
    if notifier:
        name = notifier.get("language")
        if isinstance(name, str) and name.lower() in _BY_ALIAS:
            return _BY_ALIAS[name.lower()]
        name = notifier.get("name")
        if isinstance(name, str):
            for word in re.findall(r"[a-z]+", name[:100].lower()):
                if word in _BY_ALIAS:
                    return _BY_ALIAS[word]
    for frame in frames[:_MAX_FRAMES_EXAMINED]:
        extension = frame.file[-200:].partition("?")[0].rpartition(".")[2].lower()
        if extension in _BY_EXTENSION:
            return _BY_EXTENSION[extension]
        for language in LANGUAGES:
            if language.recognizes(frame):
                return language
    return UNKNOWN_LANGUAGE
