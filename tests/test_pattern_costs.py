"""No regular expression of the package can be made slow by its input: each costs at most linear time."""

import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support import pattern_attacks
from tests.support.factories import Factory
from tests.support.package_patterns import Target, calls_of_re, constants_of_re, source_of, targets, trees

pytestmark = pytest.mark.slow

# Patterns whose cost per character is high, or not linear, and whose callers bound the length of the text.
BOUNDED = {
    "checkend.grouping.messages._QUOTED": (600, "normalize_message() and keywords() read the first 600 characters"),
    "checkend.grouping.messages._MISSING_NAMES[4]": (600, "missing_name() reads the first 600 characters"),
}
NOT_ATTACKED = {"checkend.web.assets._SYMBOL": "reads nothing but the icon file that comes with Bootstrap-Flask"}
CPU_SECONDS = 60


def attack(attacked: list[Target], cpu_seconds: int = CPU_SECONDS) -> dict[str, str]:
    """Attack each pattern in a process of its own; return what was found, by the pattern's name."""
    sent: list[dict[str, Any]] = []
    for target in attacked:
        source: str | bytes = target.pattern.pattern
        text = source if isinstance(source, str) else source.decode("latin-1")
        longest = BOUNDED.get(target.name, (pattern_attacks.LONGEST_TEXT, ""))[0]
        fields = {"name": target.name, "pattern": text, "flags": target.pattern.flags, "methods": target.methods}
        sent.append({**fields, "longest": longest, "bytes": isinstance(source, bytes)})
    ended = subprocess.run(
        [sys.executable, str(Path(pattern_attacks.__file__))],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds)),
        check=False,
    )
    lines = ended.stdout.splitlines()
    found = dict(json.loads(line) for line in lines if line.startswith("["))
    if not lines or lines[-1] != "done":
        last = lines[-1].removeprefix("attacking ") if lines else "the start"
        found[last] = f"did not end within {cpu_seconds} s of CPU time {ended.stderr[-500:]}"
    return found


def test_every_pattern_of_the_package_takes_at_most_linear_time() -> None:
    attacked = [target for target in targets() if target.name not in NOT_ATTACKED]
    assert len(attacked) > 70
    assert {target.name for target in attacked} >= set(BOUNDED)
    assert attack(attacked) == {}


SLOW: list[tuple[str | bytes, str]] = [
    (r"(?:/<|<|/\w*<)+\Z", "sub"),  # exponential: was used to strip Firefox's marks from function names
    (r"(?:a|b|ab)*c", "match"),  # exponential
    (r"x=(?:\w+\s?)*;", "search"),  # exponential
    (r"\s+\Z", "sub"),  # quadratic
    (r"(?:.*/)?current/", "search"),  # quadratic, and linear with match
    (r"/Lib/(?:\w+\.py$|[a-z_]+/[\w/]+\.py$)", "search"),  # quadratic: was used to recognize Python's own files
    (rb"(\d+),\1;", "search"),  # quadratic, in bytes
]


def test_the_attack_finds_patterns_that_take_more_than_linear_time() -> None:
    slow = [Target(str(number), re.compile(pattern), (method,)) for number, (pattern, method) in enumerate(SLOW)]
    assert list(attack(slow)) == [target.name for target in slow]


def test_a_pattern_that_exhausts_the_cpu_time_is_named() -> None:
    endless = Target("endless", re.compile(r"(?:x|xx|x?x|x*)*y"), ("match",))
    assert list(attack([endless], cpu_seconds=1)) == ["endless"]


def test_every_pattern_is_a_constant_that_the_attack_finds_or_is_written_in_the_call() -> None:
    known = {target.pattern.pattern for target in targets()}
    names = {target.name.rpartition(".")[2] for target in targets()}
    hidden = []
    for dotted, tree in trees():
        composed = {call for name, call in constants_of_re(tree) if name in names}  # of other constants
        for call in calls_of_re(tree):
            source = source_of(call)
            if source not in known and not (source is None and call in composed):
                hidden.append(f"{dotted}:{call.lineno}")
    assert hidden == []


def test_a_function_name_with_many_marks_of_firefox_is_stored_at_once(client: FlaskClient, make: Factory) -> None:
    backtrace = [f"a{'/<' * 50}x@https://shop.example/app.js:1:{column}" for column in range(100)]
    report = {"error": {"class": "TypeError", "message": "x", "backtrace": backtrace}}
    began = time.process_time()
    answer = client.post(
        "/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    )
    assert answer.status_code == 201
    assert time.process_time() - began < 2
