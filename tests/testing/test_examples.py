"""The examples of docs/testing.md, run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.fixture_process import CHECKOUT, folders, install_command

pytestmark = pytest.mark.slow

EXAMPLES = CHECKOUT / "docs" / "examples"


def run(example: str, command: list[str], tmp_path: Path, **variables: str) -> str:
    """Return the output of a command in a copy of an example; skip if the language is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    folder = Path(shutil.copytree(EXAMPLES / example, tmp_path / example))
    before = folders()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "CHECKEND": str(install_command(tmp_path)),
        "TMPDIR": os.environ["TMPDIR"],
        **variables,
    }
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not folders() - before
    return ran.stdout


def test_node(tmp_path: Path) -> None:
    said = run("node", ["node", "--test", "report.test.mjs"], tmp_path)
    assert "pass 4" in said
    assert "fail 0" in said


def test_ruby(tmp_path: Path) -> None:
    if shutil.which("ruby") and subprocess.run(["ruby", "-rminitest", "-e", ""], capture_output=True).returncode:
        pytest.skip("Ruby has no minitest")
    assert "2 runs" in run("ruby", ["ruby", "checkend_test.rb"], tmp_path)


def test_go(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert request.config.cache is not None
    compiled = request.config.cache.mkdir("go-build")
    said = run("go", ["go", "test", "-count=1", "-v", "."], tmp_path, GOCACHE=str(compiled), GOTOOLCHAIN="local")
    assert said.count("--- PASS") == 2
