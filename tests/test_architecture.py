"""Dependencies between packages point in one direction, and the layout follows docs/architecture.md."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "checkend"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the bottom to the top: a package imports only from the layers below its own.
LAYERS = (
    ("_version", "clock", "exceptions", "log", "services"),
    ("config", "client", "grouping", "scrubbing"),
    ("db",),
    ("models",),
    ("auth", "schemas"),
    ("notifications", "retention"),
    ("telemetry",),
    ("ingest",),
    ("api", "demo"),
    ("web",),  # It shows the reference of the API.
    ("server",),  # It assembles the middleware and the services of all packages below.
    ("app",),
    ("testing",),
    ("cli",),  # `checkend fixture` starts the test server.
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# Packages that need neither a database nor a request, and nothing else of the project.
PURE = ("client", "grouping", "scrubbing")

# The exceptions to the layers.
# The types of its fields are defined in the layers above; at run time it imports nothing of the project.
TYPES_FROM_ABOVE = {"services.py"}
# Two modules that import nothing of the project, and may be imported by every package: the first runs before anything
# else, since the SDK may have overwritten other modules; the second is an enum that a model and a command need as well.
ANYWHERE = {"checkend.server.sdk_conflict", "checkend.auth.permissions"}
# The models define the tables, so creating or migrating a database imports them.
DEFINES_TABLES = {("db/schema.py", "checkend.models"), ("db/migrations/env.py", "checkend.models")}
AT_THE_ROOT = {"__init__", "_version", "app", "clock", "exceptions", "log", "services"}


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


@cache
def imports(path: Path, *, anywhere: bool = True) -> set[str]:
    """Return the modules that a file imports, and the names it imports from them, with dots."""
    tree = parsed(path)
    return imports_of(tree if anywhere else ast.Module([node for node in tree.body if not hasattr(node, "body")], []))


def imports_of(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import by the full name"
            assert node.module
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def runtime_imports(path: Path) -> set[str]:
    """Return what a file imports, without the blocks that only a type checker reads."""
    tree = parsed(path)
    body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    return imports_of(ast.Module(body, []))


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_allowed(package: str, name: str) -> bool:
    if any(f"{name}.".startswith(f"{module}.") for module in ANYWHERE):
        return True
    other = name.split(".")[1]
    # A name without a layer is an attribute of the package itself, such as its version.
    return other == package or other not in RANKS or RANKS[other] < RANKS[package]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_dependencies_point_down(path: Path) -> None:
    package = package_of(path)
    if package == "__init__":
        return
    assert package in RANKS, f"{package} has no layer"
    name_of_file = str(path.relative_to(PACKAGE))
    imported = runtime_imports(path) if name_of_file in TYPES_FROM_ABOVE else imports(path)
    ours = {name for name in imported if name.startswith("checkend.")}
    ours -= {name for file, name in DEFINES_TABLES if file == name_of_file}
    assert not {name for name in ours if not is_allowed(package, name)}


@pytest.mark.parametrize(
    ("source", "package", "allowed"),
    [
        ("from checkend.db.session import db", "models", True),
        ("from checkend.models import App", "db", False),
        ("from checkend import models", "db", False),
        ("def later():\n    import checkend.server.lifecycle", "ingest", False),
        ("def later():\n    from checkend.web import views", "api", False),
        ("from checkend.auth.permissions import Permission", "models", True),
        ("from checkend.auth.roles import Capability", "models", False),
        ("from checkend.ingest.pipeline import Ingestion", "retention", False),
    ],
)
def test_the_scan_finds_imports_that_point_up_or_sideways(source: str, package: str, allowed: bool) -> None:
    names = {name for name in imports_of(ast.parse(source)) if name.startswith("checkend.")}
    assert all(is_allowed(package, name) for name in names) is allowed


def test_modules_that_may_be_imported_anywhere_import_nothing_of_the_project() -> None:
    for module in ANYWHERE:
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        assert not any(name.startswith("checkend") for name in imports(path)), module


def test_no_import_is_hidden_from_the_scan() -> None:
    """Two packages load modules by name: `checkend.testing` on first access, `grouping.languages` from a table."""
    hidden = ("import_module(", "__import__(")
    hiding = {path.relative_to(PACKAGE) for path in MODULES if any(word in text_of(path) for word in hidden)}
    assert hiding == {Path("testing/__init__.py"), Path("grouping/languages/__init__.py")}


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


def test_only_the_fixture_command_imports_the_test_server() -> None:
    importing = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if package_of(path) != "testing" and any(f"{name}.".startswith("checkend.testing.") for name in imports(path))
    }
    assert importing == {"cli/fixture.py"}  # `checkend fixture` exists to start it


def test_only_the_database_package_and_the_ingestion_store_know_the_driver() -> None:
    knowing = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] == "sqlite3" for name in imports(path))
        or any(word in text_of(path) for word in ("sqlite_errorname", "sqlite_errorcode", '"SQLITE_'))
    ]
    assert not {name for name in knowing if not name.startswith("db/") and name != "ingest/store.py"}


def test_models_do_not_use_the_request() -> None:
    for path in (PACKAGE / "models").glob("*.py"):
        if path.name != "audit_log.py":  # it records which user or API key made a change
            assert not any(name == "flask" or name.startswith("flask.") for name in imports(path)), path


def test_the_root_of_the_package_contains_only_what_all_packages_share() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} <= AT_THE_ROOT


def test_names_of_exceptions_end_in_error() -> None:
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base) for base in node.bases]
                if any(base.endswith(("Error", "Exception")) for base in bases):
                    assert node.name.endswith("Error"), f"{path}: {node.name}"


def test_only_the_clock_reads_the_time() -> None:
    reading = [
        path.relative_to(PACKAGE)
        for path in MODULES
        if path.name != "clock.py" and any(word in text_of(path) for word in ("datetime.now(", "datetime.utcnow("))
    ]
    assert reading == []


def test_importing_the_package_is_cheap() -> None:
    assert not any(name.startswith("flask") for name in imports(PACKAGE / "__init__.py", anywhere=False))
    assert not any(name.startswith("flask") for name in imports(PACKAGE / "testing" / "plugin.py", anywhere=False))


def test_the_factory_reads_as_a_table_of_contents() -> None:
    (create_app,) = [
        node
        for node in parsed(PACKAGE / "app.py").body
        if isinstance(node, ast.FunctionDef) and node.name == "create_app"
    ]
    assert create_app.end_lineno is not None
    assert create_app.end_lineno - create_app.lineno < 60


def test_the_documented_layout_exists_and_is_complete() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:/|\.py))`", text))
    assert {name for name in named if not ((PACKAGE / name).exists() or (ROOT / name).exists())} == set()
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= {name.partition("/")[0] for name in named}
    layers = text.partition("## Dependencies")[2].split("```")[1]
    drawn = [frozenset(line.split(" · ")) for line in layers.strip().splitlines()]
    below = {name: set().union(*drawn[rank + 1 :]) for rank, names in enumerate(drawn) for name in names}
    ranked = [name for name in RANKS if name in below]
    assert packages | {"app", "services"} <= set(ranked)
    assert {(name, other) for name in ranked for other in below[name] if RANKS[other] >= RANKS[name]} == set()
