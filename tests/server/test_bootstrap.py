"""The location of the instance folder, and the checks before a start."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.server_process import environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def install(place: Path) -> Path:
    """Create a virtual environment with the package installed as a copy, not editable; return its Python."""
    venv.create(place, symlinks=True)
    (site,) = place.glob("lib/python*/site-packages")
    shutil.copytree(ROOT / "checkend", site / "checkend")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return place / "bin" / "python"


def instance_path(python: Path, cwd: Path, **variables: str) -> str:
    """Return the instance folder of ``checkend`` in that environment, run in ``cwd``."""
    kept = environment(cwd)
    del kept["CHECKEND_INSTANCE_PATH"]
    done = subprocess.run(
        [python, "-P", "-m", "checkend.cli", "config", "--json"],
        cwd=cwd,
        env=kept | {"XDG_DATA_HOME": str(cwd / "data")} | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    path: str = json.loads(done.stdout)["instance_path"]
    return path


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a fresh clone with a virtual environment in it."""
    clone = tmp_path_factory.mktemp("clone")
    shutil.copy(ROOT / "wsgi.py", clone)
    shutil.copytree(ROOT / "checkend", clone / "checkend")
    install(clone / ".venv")
    return clone


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a virtual environment outside of any checkout."""
    return install(tmp_path_factory.mktemp("outside") / "venv")


def test_in_a_checkout_the_instance_folder_is_next_to_wsgi_even_if_the_package_is_installed_elsewhere(
    checkout: Path, outside: Path
) -> None:
    assert instance_path(outside, checkout) == str(checkout / "instance")
    assert instance_path(outside, checkout / "checkend" / "web") == str(checkout / "instance")


def test_a_virtual_environment_in_a_checkout_uses_it_from_any_working_directory(checkout: Path, tmp_path: Path) -> None:
    assert instance_path(checkout / ".venv" / "bin" / "python", tmp_path) == str(checkout / "instance")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other data folders")
def test_without_a_checkout_the_instance_folder_is_in_the_platforms_data_folder(outside: Path, tmp_path: Path) -> None:
    assert instance_path(outside, tmp_path) == str(tmp_path / "data" / "checkend")


def test_the_environment_variable_takes_precedence(checkout: Path, tmp_path: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    assert instance_path(python, checkout, CHECKEND_INSTANCE_PATH=str(tmp_path / "named")) == str(tmp_path / "named")


def create_app(python: Path, place: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "checkend.cli", "app", "create", "Shop"],
        cwd=cwd,
        env=environment(place / "instance") | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
    )


def add_sdk(site: Path) -> None:
    """Create the files of an installed Python SDK that the server checks for."""
    (site / "checkend-1.0.0.dist-info").mkdir()
    (site / "checkend-1.0.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: checkend\nVersion: 1.0.0\n"
    )


def test_the_python_sdk_installed_over_the_server_prevents_the_start(tmp_path: Path) -> None:
    python = install(tmp_path / "venv")
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    add_sdk(site)
    done = create_app(python, tmp_path, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the Python SDK (the distribution 'checkend' 1.0.0) is installed in this")
    assert "install only checkend-server in it" in done.stderr


def test_overwritten_modules_fail_with_the_same_advice(tmp_path: Path) -> None:
    python = install(tmp_path / "venv")
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    add_sdk(site)
    (site / "checkend" / "__init__.py").write_text("from checkend.testing import Testing\n")  # as the SDK's does
    done = create_app(python, tmp_path, tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("so each needs a virtual environment of its own.")


def test_the_python_sdk_next_to_a_checkout_only_causes_a_warning(tmp_path: Path) -> None:
    add_sdk(tmp_path)
    done = create_app(Path(sys.executable), tmp_path, ROOT)
    assert done.returncode == 0
    assert "the Python SDK (the distribution 'checkend' 1.0.0) is installed" in done.stderr
