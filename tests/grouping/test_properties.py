"""Properties for any input: nothing raises or hangs, and changes made by a deploy do not count."""

import json
import time
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checkend.grouping import fingerprint
from checkend.grouping.frames import FrameOrigin, classify_frame
from checkend.grouping.languages import detect_language
from checkend.grouping.stacktrace import MAX_LINE, Frame, parse_frame, parse_stacktrace

LANGUAGES = ["python", "ruby", "javascript", "go", "php", "elixir", "java", "csharp", "kotlin", "", "cobol"]

texts = st.text(max_size=60)
# Text similar to the formats: their punctuation, their words, numbers.
PIECES = [
    *":@()[]<>/\\.'`\"{}|$#-+ \n",
    *[
        " in ",
        ":in `",
        "at ",
        "async ",
        "block in ",
        "{closure}",
        "lambda$",
        "$$Lambda$1/0x1",
        "-fun-0-/1",
        ".func1",
    ],
    *["<Run>d__7.MoveNext", "https://h/a.1b2c3d4e.js", "/app/", "C:\\", "[PROJECT_ROOT]", "node:", "eval at"],
    *["site-packages", "0", "12", "runtime.gopanic", "JSON", "is not valid", "\u00e9", "\x00", "\ud800"],
]
pieces = st.sampled_from(PIECES)
lines = st.one_of(texts, st.lists(pieces, max_size=14).map("".join))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | lines,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["file", "line", "method", "x"]), inner)
    ),
    max_leaves=12,
)
notifiers = st.none() | st.dictionaries(
    st.sampled_from(["name", "language"]), st.sampled_from(LANGUAGES) | st.integers() | st.none()
)
rule_sets = st.frozensets(st.sampled_from(sorted(fingerprint.RULES)))


@pytest.mark.slow
@given(json_values)
def test_every_json_value_is_parsed(raw: object) -> None:
    frames = parse_stacktrace(raw)
    assert frames == parse_stacktrace(raw)
    for frame in frames:
        assert frame.file
        assert frame.method
        assert -MAX_LINE <= frame.line <= MAX_LINE
        assert 0 <= frame.column <= MAX_LINE


@given(json_values)
def test_parsing_is_idempotent(raw: object) -> None:
    frames = parse_stacktrace(raw)
    assert parse_stacktrace(frames) == frames
    assert parse_stacktrace([frame._asdict() for frame in frames]) == frames


@given(lines, lines, st.lists(lines, max_size=8), notifiers, rule_sets)
@example("", "", [""], None, frozenset())
@example("E", "m", ["at a (b:1:2)"], {"language": "javascript"}, frozenset({"libraries"}))
def test_every_report_is_grouped_deterministically(
    error_class: str,
    message: str,
    raw: list[str],
    notifier: Mapping[str, object] | None,
    disabled: frozenset[str],
) -> None:
    one = fingerprint.group(error_class, message, parse_stacktrace(raw), notifier=notifier, disabled=disabled)
    other = fingerprint.group(error_class, message, parse_stacktrace(raw), notifier=notifier, disabled=disabled)
    assert one == other
    assert len(one.fingerprint) == 40
    assert one.reason.endswith(".")
    assert "\n" not in one.reason
    assert max(len(one.reason), len(one.location)) < 1000
    frames = parse_stacktrace(raw)
    assert len(frames) == len(raw)
    assert all(classify_frame(frame, detect_language(notifier, frames)) in FrameOrigin for frame in frames)


names = st.from_regex(r"[a-z]{3,8}(_[a-z]{3,8})?", fullmatch=True)
numbers = st.integers(1, 5000)
ROOTS = [
    "/app/",
    "/srv/shop/current/",
    "/srv/shop/releases/20240101093000/",
    "[PROJECT_ROOT]/",
    "C:\\inetpub\\shop\\",
]
roots = st.sampled_from([*ROOTS, "/home/deploy/shop/", "/usr/src/app/", "/var/www/shop/", "/Users/ann/shop/"])


def python_frames(root: str, calls: list[tuple[str, str]], shift: int) -> list[Frame]:
    slash = "\\" if "\\" in root else "/"
    frames = [f"{root}pkg{slash}{file}.py:{number + shift} in {name}" for number, (file, name) in enumerate(calls)]
    return parse_stacktrace(frames)


calls = st.lists(st.tuples(names, names), min_size=1, max_size=5)


@pytest.mark.slow
@given(calls, roots, roots, numbers, numbers)
def test_line_numbers_and_project_folders_do_not_count(
    made: list[tuple[str, str]], root: str, other_root: str, shift: int, other_shift: int
) -> None:
    one = fingerprint.group("E", "m", python_frames(root, made, shift))
    other = fingerprint.group("E", "m", python_frames(other_root, made, other_shift))
    assert one.fingerprint == other.fingerprint


hashes = st.from_regex(r"[0-9][a-f0-9]{7}", fullmatch=True)
hosts = st.sampled_from(
    ["https://shop.test/assets/", "https://cdn.test/r/20240101/static/js/", "http://localhost:3000/"]
)


@given(names, names, hashes, hashes, hosts, hosts, numbers, numbers)
def test_the_hash_host_and_columns_of_a_bundle_do_not_count(
    name: str,
    bundle: str,
    hash_: str,
    other_hash: str,
    host: str,
    other_host: str,
    column: int,
    other_column: int,
) -> None:
    one = parse_stacktrace([f"at n.{name} ({host}{bundle}.{hash_}.js:1:{column})"])
    other = parse_stacktrace([f"{name}@{other_host}{bundle}.{other_hash}.js:1:{other_column}"])
    assert fingerprint.group("E", "m", one).fingerprint == fingerprint.group("E", "m", other).fingerprint


@pytest.mark.slow
@given(names, st.lists(st.tuples(names, numbers, numbers), min_size=1, max_size=6))
def test_numbers_in_a_message_do_not_count(word: str, parts: list[tuple[str, int, int]]) -> None:
    one = " ".join(f"{text} {number}" for text, number, _ in parts)
    other = " ".join(f"{text} {number}" for text, _, number in parts)
    assert fingerprint.group(word, one, []).fingerprint == fingerprint.group(word, other, []).fingerprint


HOSTILE = [
    "a" * 100_000,
    ":" * 100_000,
    ":1" * 50_000,
    "@" * 100_000,
    "@https:" * 14_000,
    "at " + "(" * 100_000,
    "at " + "a(" * 50_000 + ")" * 50_000,
    "at " + "a.b(c:1) " * 11_000,
    "/" * 100_000 + ":1:1",
    "/releases/" * 10_000 + "a.py:1 in f",
    "a.rb:1:in '" + "block in " * 11_000,
    "a.js:1 in " + "<" * 100_000,
    "a.ex:1 in A.-" + "a/1-" * 25_000,
    "a.php:1 in {closure:" * 5_000,
    "#1 " + "(1): " * 20_000,
    'File "' + "a" * 99_000,
    " in " * 25_000,
    "-" * 50_000 + "_" * 50_000,
    "'" * 100_000,
    "\u00e9" * 100_000,
    "0x" * 50_000,
    "Cannot read property '" * 5_000,
    json.dumps({"a": ["b"] * 20_000}),
]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:12] for text in HOSTILE])
@pytest.mark.parametrize("language", ["python", "ruby", "javascript", "go", "php", "elixir", "java", "csharp"])
def test_hostile_text_takes_linear_time(text: str, language: str) -> None:
    started = time.perf_counter()
    parse_frame(text)
    frames = [
        Frame(text, 1, text),
        Frame(f"https://h/{text[:590]}", 1, text[:490]),
        Frame(text[:490], 1, text[:490]),
    ]
    for error_class, message in ((text, text[:10_000]), ("E", text[:10_000])):
        fingerprint.group(error_class, message, frames, notifier={"language": language})
        fingerprint.group(error_class, message, [], notifier={"language": language})
    assert time.perf_counter() - started < 1.0


@settings(max_examples=20)
@given(st.integers(90, 300))
def test_a_deep_recursion_is_one_problem_at_any_depth(depth: int) -> None:
    frames = parse_stacktrace(["/app/t.py:3 in up", "/app/t.py:8 in down"] * depth)
    other = parse_stacktrace(["/app/t.py:3 in up", "/app/t.py:8 in down"] * 60)
    full = "maximum recursion depth exceeded"
    one = fingerprint.group("RecursionError", full, frames)
    assert one.fingerprint == fingerprint.group("RecursionError", full, other).fingerprint
