"""Attack regular expressions with strings generated from their own syntax trees, and measure the CPU time.

Run as a script with a JSON list of targets on standard input, because a pattern with exponential cost holds the GIL and
cannot be interrupted from within its process: the caller limits the CPU time of this one. Before each target its name
is printed, after each finding a line of JSON, so that the caller knows which target exhausted the limit.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

_parser: Any = re._parser  # type: ignore[attr-defined]  # the only parser of re's syntax; `sre_parse` is deprecated

# (repeats, how many of the slowest attacks of a pattern get there); small steps at first, to catch 2**n early
STAGES = ((10, 10_000), (16, 10_000), (22, 10_000), (100, 400), (400, 40), (3_000, 5), (50_000, 2))
LONGEST_TEXT = 100_000
FLOOR_SECONDS = 0.001
SECONDS_PER_CHARACTER = 3e-6  # linear patterns take up to 1e-6, quadratic ones more than 1e-5 at the last stage
SUFFIXES = ("", "\0\n !")
CATEGORY_SAMPLES = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_WORD": "aZ0_",
    "CATEGORY_SPACE": " \n",
    "CATEGORY_NOT_SPACE": "a.",
    "CATEGORY_NOT_WORD": " -",
    "CATEGORY_NOT_DIGIT": "a",
}
POOL = "a0 .-=/%\"'\\:A\n<(,;"
REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
METHODS: dict[str, Callable[[Any, Any], object]] = {
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    "search": lambda pattern, text: pattern.search(text),
    "sub": lambda pattern, text: sum(1 for _ in pattern.finditer(text)),  # as sub, split and findall do
}


class Attack(NamedTuple):
    """A text made of ``prefix``, ``pump`` repeated, and ``suffix``."""

    prefix: str
    pump: str
    suffix: str

    def text(self, repeats: int, longest: int) -> str:
        most = (longest - len(self.prefix) - len(self.suffix)) // len(self.pump)
        return self.prefix + self.pump * max(min(repeats, most), 1) + self.suffix


def attacks(pattern: "re.Pattern[Any]") -> Iterator[Attack]:
    """Yield pumped strings: each literal and class of ``pattern``, each repeated group and each partial match."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = list(_parser.parse(source, pattern.flags & ~re.DEBUG))
    alphabet = list(dict.fromkeys(_characters(tree)))[:24]
    pumps = dict.fromkeys(alphabet)
    prefixes = {"": None}
    for prefix, body in _repeated(tree, ""):
        prefixes[prefix[:200]] = None
        pumps |= dict.fromkeys([*body, *(prefix + once for once in body[:2])])
        pumps |= dict.fromkeys(one + other for one, other in product(body[:4], repeat=2))
    for end in range(1, len(tree) + 1):
        pumps |= dict.fromkeys(_samples(tree[:end])[:4])
    pumps |= dict.fromkeys(one + other for one, other in product(alphabet[:8], repeat=2))
    for prefix, pump, suffix in product(list(prefixes)[:6], [pump[:500] for pump in pumps if pump][:80], SUFFIXES):
        yield Attack(prefix, pump, suffix)


def _characters(tree: Any) -> Iterator[str]:
    for operator, argument in tree:
        name = str(operator)
        if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            yield from _samples([(operator, argument)])
        for inner in _inner(name, argument):
            yield from _characters(inner)


def _repeated(tree: Any, prefix: str) -> Iterator[tuple[str, list[str]]]:
    """Return what may come before each repeated group, and what the group may match once."""
    for operator, argument in tree:
        name = str(operator)
        if name in REPEATS:
            yield prefix, _samples(argument[2])
        for inner in _inner(name, argument):
            yield from _repeated(inner, prefix)
        prefix += (_samples([(operator, argument)]) or [""])[0]


def _inner(name: str, argument: Any) -> list[Any]:
    if name in REPEATS:
        return [argument[2]]
    if name == "BRANCH":
        return list(argument[1])
    if name == "SUBPATTERN":
        return [argument[3]]
    if name == "ATOMIC_GROUP":
        return [argument]
    if name in ("ASSERT", "ASSERT_NOT"):
        return [argument[1]]
    return []


def _samples(tree: Any) -> list[str]:
    """Return up to 8 strings that match the sequence ``tree``, but for what its assertions demand."""
    found = [""]
    for operator, argument in tree:
        options = _options(str(operator), argument) or [""]
        first = [text + options[0] for text in found]
        found = first + [found[0] + option for option in options[1:]]
    return found[:8]


def _options(name: str, argument: Any) -> list[str]:
    if name == "LITERAL":
        return [chr(argument)]
    if name == "NOT_LITERAL":
        return [character for character in POOL if character != chr(argument)][:3]
    if name == "ANY":
        return ["a", "0", " "]
    if name == "IN":
        return _class_samples(argument)
    if name in REPEATS:
        return [text * max(argument[0], 1) for text in _samples(argument[2])]
    options: list[str] = []
    for inner in _inner(name, argument) if not name.startswith("ASSERT") else []:
        options += _samples(inner)
    return options


def _class_samples(items: Any) -> list[str]:
    kinds = [(str(operator), argument) for operator, argument in items]
    if kinds[0][0] == "NEGATE":
        return [character for character in POOL if not any(_has(kind, character) for kind in kinds[1:])][:4]
    found: list[str] = []
    for name, argument in kinds:
        if name == "LITERAL":
            found.append(chr(argument))
        elif name == "RANGE":
            found += [chr(argument[0]), chr(argument[1])]
        elif name == "CATEGORY":
            found += CATEGORY_SAMPLES.get(str(argument), "a")
    return found[:8]


def _has(kind: tuple[str, Any], character: str) -> bool:
    name, argument = kind
    if name == "LITERAL":
        return bool(chr(argument) == character)
    if name == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    return character in CATEGORY_SAMPLES.get(str(argument), "") or (
        str(argument) == "CATEGORY_WORD" and character.isalnum()
    )


def seconds(method: str, pattern: "re.Pattern[Any]", text: str) -> float:
    """Return the CPU seconds that one call takes."""
    subject: Any = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
    began = time.process_time()
    METHODS[method](pattern, subject)
    return time.process_time() - began


def is_too_slow(method: str, pattern: "re.Pattern[Any]", text: str, took: float) -> bool:
    """Return whether the cost exceeds the linear limit, also in two more attempts."""
    limit = FLOOR_SECONDS + SECONDS_PER_CHARACTER * len(text)
    return took > limit and (took > 100 * limit or all(seconds(method, pattern, text) > limit for _ in range(2)))


def find_slow_text(pattern: "re.Pattern[Any]", methods: list[str], longest: int = LONGEST_TEXT) -> str | None:
    """Return a description of the first attack whose cost exceeds the linear limit; None when there is none."""
    tried = list(attacks(pattern))
    slowest: dict[tuple[str, Attack], float] = {(method, attack): 0.0 for attack in tried for method in methods}
    for repeats, kept in STAGES:
        for key in sorted(slowest, key=slowest.__getitem__, reverse=True)[:kept]:
            method, attack = key
            text = attack.text(repeats, longest)
            slowest[key] = took = seconds(method, pattern, text)
            if is_too_slow(method, pattern, text, took):
                return f"{method} on {attack} repeated {repeats} times, {len(text)} characters: {took:.3f} s"
    return None


def main() -> None:
    """Attack the targets on standard input: ``[{"name", "pattern", "flags", "methods", "longest", "bytes"}, …]``."""
    for target in json.load(sys.stdin):
        print(f"attacking {target['name']}", flush=True)
        source = target["pattern"].encode("latin-1") if target["bytes"] else target["pattern"]
        found = find_slow_text(re.compile(source, target["flags"]), target["methods"], target["longest"])
        if found:
            print(json.dumps([target["name"], found]), flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main()
