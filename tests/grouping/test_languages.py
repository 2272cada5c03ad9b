"""The registry of languages, and the detection of a report's language."""

import pkgutil
from collections import Counter

import pytest

from checkend.grouping import languages
from checkend.grouping.languages import LANGUAGES, detect_language
from checkend.grouping.stacktrace import parse_stacktrace


def test_the_registry_contains_every_module_of_the_package() -> None:
    modules = sorted(module.name for module in pkgutil.iter_modules(languages.__path__))
    assert [language.name for language in LANGUAGES] == modules


def test_an_alias_and_a_file_extension_belong_to_one_language_each() -> None:
    for names in ("aliases", "extensions"):
        counts = Counter(name for language in LANGUAGES for name in getattr(language, names))
        assert max(counts.values()) == 1
        assert all(name == name.lower() for name in counts)


@pytest.mark.parametrize(
    ("notifier", "backtrace", "expected"),
    [
        ({"language": "TypeScript"}, ["/app/a.py:1 in f"], "javascript"),
        ({"name": "checkend-kotlin", "language": "cobol"}, [], "java"),
        ({"name": 3, "language": None}, ["/app/a.ex:1 in f"], "elixir"),
        (None, ["/app/Cow.cs:1 in f"], "dotnet"),
        (None, [{"file": "nofile", "method": "Elixir.Farm.Cow.milk/1"}], "elixir"),
        (None, ["at f (https://h.example/app?v=1:1:2)"], "javascript"),
        (None, ["/app/a.lua:1 in f"], ""),
        (None, [*["/app/a.lua:1 in f"] * 12, "/app/a.py:1 in f"], ""),
    ],
)
def test_the_notifier_decides_before_the_frames(
    notifier: dict[str, object] | None, backtrace: list[object], expected: str
) -> None:
    assert detect_language(notifier, parse_stacktrace(backtrace)).name == expected
