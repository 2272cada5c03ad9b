"""The packages depend on each other in one direction, and the layout keeps the rules of docs/architecture.md."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "checkend"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the bottom to the top: a package imports from the layers below its own.
LAYERS = (
    ("_version", "clock", "config", "exceptions", "log"),
    ("client", "grouping", "scrubbing"),
    ("db",),
    ("models",),
    ("auth", "schemas"),
    ("notifications", "retention"),
    ("api", "demo", "ingest", "server", "telemetry", "web"),
    ("app",),
    ("cli", "testing"),
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# Imports within a layer; all others are errors.
SIDEWAYS = {
    ("config", "exceptions"),
    ("demo", "ingest"),
    ("ingest", "server"),
    ("ingest", "telemetry"),
    ("telemetry", "ingest"),
    ("web", "ingest"),
    ("web", "server"),
    ("cli", "testing"),
}
# They need neither a database nor a request, and none of the rest of the project.
PURE = ("client", "grouping", "scrubbing")
# Modules that import nothing and are loaded early: before anything can be reported, where even the SDK may lie over the
# server's modules; and the enum of permissions, which the options of a command show and a model checks.
ANYWHERE = {"checkend.server.sdk_conflict", "checkend.auth.permissions"}
# The tables are defined by the models: creating or migrating a database imports them.
DEFINES_TABLES = {("db/schema.py", "checkend.models"), ("db/migrations/env.py", "checkend.models")}
AT_THE_ROOT = {"__init__", "_version", "app", "clock", "config", "exceptions", "log"}


def imports(path: Path, *, anywhere: bool = True) -> set[str]:
    """Return the modules that a file imports, and the names it imports from them, with dots."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_allowed(package: str, name: str) -> bool:
    other = name.split(".")[1]
    if other == package or other not in RANKS or any(name.startswith(module) for module in ANYWHERE):
        return True
    return RANKS[other] < RANKS[package] or (package, other) in SIDEWAYS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_dependencies_point_down(path: Path) -> None:
    package = package_of(path)
    if package == "__init__":
        return
    assert package in RANKS, f"{package} has no layer"
    ours = {name for name in imports(path) if name.startswith("checkend.")}
    ours -= {name for file, name in DEFINES_TABLES if str(path.relative_to(PACKAGE)) == file}
    assert not {name for name in ours if not is_allowed(package, name)}


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_import_nothing_else_of_the_project(package: str) -> None:
    for path in (PACKAGE / package).rglob("*.py"):
        ours = {name for name in imports(path) if name.startswith("checkend.")}
        assert not {name for name in ours if not name.startswith(f"checkend.{package}")}, path


def test_pure_packages_load_neither_flask_nor_a_database() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in PURE
        for path in (PACKAGE / package).rglob("*.py")
    )
    unwanted = {"flask", "sqlalchemy", "sqlite3", "checkend.db", "checkend.ingest", "checkend.models"}
    program = f"import sys, {', '.join(modules)}; print({unwanted} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"


def test_only_the_fixture_commands_import_the_test_server() -> None:
    importing = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if package_of(path) != "testing" and any(f"{name}.".startswith("checkend.testing.") for name in imports(path))
    }
    assert importing <= {"cli/fixture.py"}


def test_models_know_of_no_request() -> None:
    for path in (PACKAGE / "models").glob("*.py"):
        if path.name != "audit_log.py":  # it names the user, or the key, that makes a change
            assert not any(name == "flask" or name.startswith("flask.") for name in imports(path)), path


def test_the_root_of_the_package_holds_only_what_everything_shares() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} <= AT_THE_ROOT


def test_exceptions_are_called_errors() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base) for base in node.bases]
                if any(base.endswith(("Error", "Exception")) for base in bases):
                    assert node.name.endswith("Error"), f"{path}: {node.name}"


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
