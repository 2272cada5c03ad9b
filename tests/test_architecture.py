"""Dependencies point down, and the house keeps its shape."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "checkend"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A layer, and what it must not import.
FORBIDDEN = {
    "extensions.py": ("models", "auth", "api", "ingest", "web", "cli", "testing", "notifications", "schemas"),
    "clock.py": ("models", "auth", "api", "ingest", "web", "cli", "testing", "notifications", "schemas", "extensions"),
    "models": ("auth", "api", "ingest", "web", "cli", "testing", "notifications", "schemas", "errors"),
    "schemas": ("auth", "api", "web", "cli", "testing", "notifications"),
    "notifications": ("api", "ingest", "web", "cli", "testing", "schemas"),
    "ingest": ("api", "web", "cli", "testing"),
    "api": ("web", "cli", "testing"),
    "web": ("api", "cli", "testing"),
}
PURE = ("backtraces", "grouping", "payload", "scrubbing", "facets", "places", "runtimes", "app_frames")


def imports(path: Path, *, anywhere: bool = True) -> set[str]:
    """The modules that a file imports, with their dots."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_dependencies_point_down(path: Path) -> None:
    forbidden = FORBIDDEN.get(layer_of(path), ())
    wrong = {name for name in imports(path) for layer in forbidden if f"{name}.".startswith(f"checkend.{layer}.")}
    assert not wrong


def test_models_know_of_no_request() -> None:
    for path in (PACKAGE / "models").glob("*.py"):
        assert not any(name == "flask" or name.startswith("flask.") for name in imports(path)), path


@pytest.mark.parametrize("name", PURE)
def test_what_needs_no_database_imports_none(name: str) -> None:
    found = imports(PACKAGE / "ingest" / f"{name}.py")
    assert not any(part.split(".")[0] in ("flask", "sqlalchemy", "sqlite3") for part in found)
    assert "checkend.extensions" not in found


def test_only_the_clock_asks_for_the_time() -> None:
    asking = [
        path.relative_to(PACKAGE)
        for path in MODULES
        if path.name != "clock.py" and any(word in path.read_text() for word in ("datetime.now(", "datetime.utcnow("))
    ]
    assert asking == []


def test_importing_the_package_is_cheap() -> None:
    assert not any(name.startswith("flask") for name in imports(PACKAGE / "__init__.py", anywhere=False))
    assert not any(name.startswith("flask") for name in imports(PACKAGE / "testing" / "plugin.py", anywhere=False))


def test_the_factory_reads_as_a_table_of_contents() -> None:
    (create_app,) = [
        node
        for node in ast.parse((PACKAGE / "app.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "create_app"
    ]
    assert create_app.end_lineno is not None
    assert create_app.end_lineno - create_app.lineno < 60
