"""The command line as a person or a program meets it."""

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
    """The instance folder that commands work on; also that of `app`."""
    folder = tmp_path / "instance"
    monkeypatch.setenv("CHECKEND_INSTANCE_PATH", str(folder))
    return folder


@pytest.fixture
def run(instance: Path) -> Run:
    """``run("app", "list")``: the finished command; ``status`` is what it must end with, ``stdin`` what it is told."""

    def run_command(*arguments: str, status: int = 0, stdin: str = "") -> Result:
        done = CliRunner().invoke(main, arguments, input=stdin)
        assert done.exit_code == status, done.output
        assert isinstance(done.exception, SystemExit | None), done.exception
        return done

    return run_command


@pytest.fixture
def read(run: Run) -> Callable[..., Any]:
    """Like `run`, with --json; what it prints, read."""
    return lambda *arguments, **options: json.loads(run(*arguments, "--json", **options).stdout)
