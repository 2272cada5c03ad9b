"""The Python SDK and the server in one environment: every entry point reports the conflict and what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import checkend
from checkend.server.sdk_conflict import CONFLICT, SDK_NAMES

pytestmark = pytest.mark.slow

PACKAGE = Path(checkend.__file__).parent
COMMANDS = {
    "a program": ["-c", "import checkend; checkend.configure()"],
    "the command": ["-c", "from checkend.cli import main; main(['--version'], prog_name='checkend')"],
    "the module": ["-m", "checkend.cli", "app", "list"],
    "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
}


@pytest.fixture(scope="module", params=["server last", "SDK last"])
def site(request: pytest.FixtureRequest, sdk_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder such as pip leaves after installing both, in either order."""
    site = tmp_path_factory.mktemp("site")
    (sdk,) = sdk_python.parent.parent.glob("lib/python*/site-packages/checkend")
    (metadata,) = sdk.parent.glob("checkend-*.dist-info")
    packages = [sdk, PACKAGE] if request.param == "server last" else [PACKAGE, sdk]
    for package in packages:
        ignore = shutil.ignore_patterns("__pycache__", "static", "templates")
        shutil.copytree(package, site / "checkend", dirs_exist_ok=True, ignore=ignore)
    shutil.copytree(metadata, site / metadata.name)
    ours = site / "checkend_server-0.dist-info"
    ours.mkdir()
    (ours / "METADATA").write_text("Metadata-Version: 2.1\nName: checkend-server\nVersion: 0\n")
    (ours / "entry_points.txt").write_text("[pytest11]\ncheckend = checkend.testing.plugin\n")
    return site


def run(site: Path, folder: Path, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("way_in", COMMANDS)
def test_every_entry_point_explains_the_conflict_and_what_to_do(way_in: str, site: Path, tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    ended = run(site, tmp_path, COMMANDS[way_in])
    assert ended.returncode != 0
    assert " ".join(ended.stderr.split()).endswith(CONFLICT)
    assert "passed" not in ended.stdout
    if "Traceback" in ended.stderr:  # an attribute that is missing is the program's own error
        assert way_in == "a program"
        assert ended.stderr.splitlines()[-1].startswith("AttributeError: checkend.configure belongs to the Python SDK,")


def test_other_errors_are_printed_as_usual(site: Path, tmp_path: Path) -> None:
    program = "try:\n    import checkend.cli\nexcept ImportError:\n    pass\n1 / 0"
    ended = run(site, tmp_path, ["-c", program])
    assert ended.stderr.startswith("Traceback")
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("name", sorted(SDK_NAMES))
def test_without_the_sdk_its_names_are_explained(name: str) -> None:
    assert not hasattr(checkend, name)
    with pytest.raises(AttributeError, match=f"^checkend.{name} belongs to the Python SDK.* without checkend-server"):
        getattr(checkend, name)


def test_other_names_raise_the_usual_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'checkend' has no attribute 'nonsense'$"):
        checkend.nonsense  # noqa: B018 - the access is what is tested


def test_every_public_name_of_the_sdk_is_known(sdk_python: Path, tmp_path: Path) -> None:
    program = "import checkend; print(*checkend.__all__)"
    ended = subprocess.run([sdk_python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) <= SDK_NAMES
