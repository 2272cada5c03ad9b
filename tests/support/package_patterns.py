"""Find every regular expression in the package, and how each of them is used."""

import ast
import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import checkend

ROOT = Path(checkend.__file__).parent
CALLS = {"match": "match", "fullmatch": "fullmatch", "search": "search"} | dict.fromkeys(
    ("sub", "subn", "split", "findall", "finditer"), "sub"
)
ALL_METHODS = ("fullmatch", "match", "search", "sub")
SKIPPED = ("checkend.db.migrations.env", "checkend.__main__", "checkend.cli.__main__")  # run when imported


class Target(NamedTuple):
    """A pattern of the package: where it is, and the methods that it is used with."""

    name: str
    pattern: "re.Pattern[Any]"
    methods: tuple[str, ...]


@cache
def targets() -> list[Target]:
    """Return every pattern that is a constant, or written in a call of `re` inside a function."""
    methods = _methods_by_name()
    found: dict[tuple[str, str, int], Target] = {}
    for module in modules():
        for name, pattern in _patterns_in(vars(module), module, set()):
            used = methods.get(_qualified(module.__name__, re.split(r"[.\[]", name)[0])) or ALL_METHODS
            target = Target(f"{module.__name__}.{name}", pattern, tuple(sorted(used)))
            found.setdefault((name, repr(pattern.pattern), pattern.flags), target)
    return [*found.values(), *_written_in_functions()]


def modules() -> Iterator[ModuleType]:
    """Import and yield every module of the package."""
    for found in pkgutil.walk_packages([str(ROOT)], "checkend."):
        if found.name not in SKIPPED and ".migrations.versions" not in found.name:
            yield importlib.import_module(found.name)


def _patterns_in(names: Any, module: ModuleType, seen: set[int]) -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    for name, value in list(names.items()):
        yield from _patterns_of(str(name), value, module, seen)


def _patterns_of(name: str, value: Any, module: ModuleType, seen: set[int]) -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    if isinstance(value, re.Pattern):
        yield name, value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict) and name != "__builtins__":
        for key, item in list(value.items()):
            yield from _patterns_of(f"{name}[{key!r}]", item, module, seen)
    elif isinstance(value, tuple | list | set | frozenset):
        for index, item in enumerate(value):
            yield from _patterns_of(f"{name}[{index}]", item, module, seen)
    elif isinstance(value, type) and value.__module__ == module.__name__:
        for key, item in list(vars(value).items()):
            yield from _patterns_of(f"{name}.{key}", item, module, seen)


@cache
def trees() -> list[tuple[str, ast.Module]]:
    """Return the dotted name and syntax tree of every source file of the package."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        dotted = ".".join(("checkend", *path.relative_to(ROOT).with_suffix("").parts))
        found.append((dotted, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def calls_of_re(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield calls of `re`'s functions that take a pattern."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "re" and node.func.attr in (*CALLS, "compile"):
                yield node


def constants_of_re(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield the names of a module's constants that are patterns, each with the call that compiles it."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value in calls_of_re(node):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))


def source_of(call: ast.Call) -> str | None:
    """Return the pattern that ``call`` is given, when it is written there."""
    argument = call.args[0] if call.args else None
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None


def _written_in_functions() -> list[Target]:
    found = []
    for dotted, tree in trees():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]
        calls = {call.lineno: call for function in functions for call in calls_of_re(function)}
        for line, call in calls.items():
            source = source_of(call)
            assert isinstance(call.func, ast.Attribute)  # as calls_of_re yields them
            if source is not None:
                methods = (CALLS[call.func.attr],) if call.func.attr in CALLS else ALL_METHODS
                found.append(Target(f"{dotted}:{line}", re.compile(source), methods))
    return found


def _methods_by_name() -> dict[str, set[str]]:
    """Return the methods that each name is used with; a name that is passed on counts as used with all of them.

    Private names are qualified with their module. In ``for pattern in PATTERNS``, what is done to ``pattern`` counts
    for ``PATTERNS``.
    """
    used: dict[str, set[str]] = defaultdict(set)
    for dotted, tree in trees():
        nodes = list(ast.walk(tree))
        loops = {name: node for node in nodes if isinstance(node, ast.For) for name in _names_in(node.iter)}
        owned = set()
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in CALLS:
                used[_qualified(dotted, node.value.id)].add(CALLS[node.attr])
                owned.add(node.value)
        for node in nodes:
            if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load) or node in owned:
                continue
            loop = loops.get(node)
            calls = ast.walk(loop) if loop else ()
            methods = {CALLS[call.attr] for call in calls if isinstance(call, ast.Attribute) and call.attr in CALLS}
            used[_qualified(dotted, node.id)] |= methods or set(ALL_METHODS)
    return used


def _names_in(node: ast.AST) -> list[ast.Name]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.Name)]


def _qualified(dotted: str, name: str) -> str:
    return f"{dotted}.{name}" if name.startswith("_") else name
