"""Fixtures that run commands of the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from checkend.cli import main

Run = Callable[..., Result]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the instance folder of the commands and of the fixture `app`; it does not exist yet."""
    folder = tmp_path / "instance"
    monkeypatch.setenv("CHECKEND_INSTANCE_PATH", str(folder))
    return folder


@pytest.fixture
def run(instance: Path) -> Run:
    """Run a command, such as ``run("app", "list")``, with ``stdin``; assert that it exits with ``status``."""

    def run_command(*arguments: str, status: int = 0, stdin: str = "") -> Result:
        result = CliRunner().invoke(main, arguments, input=stdin)
        assert result.exit_code == status, result.output
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result

    return run_command


@pytest.fixture
def read(run: Run) -> Callable[..., Any]:
    """Run a command with --json, and return the JSON value that it prints."""
    return lambda *arguments, **options: json.loads(run(*arguments, "--json", **options).stdout)
