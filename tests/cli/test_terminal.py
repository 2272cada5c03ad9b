"""Pipes, colors and options that every command shares."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkend.cli import main
from checkend.cli._support.terminal import style
from checkend.testing import Server
from tests.support.fixture_process import environment, report


class Output(io.TextIOWrapper):
    """Standard output into a pipe that nobody reads any more."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        super().__init__(os.fdopen(writer, "wb"), encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "--version",
        "app --help",
        "app list",
        "app list --json",
        "api-key list",
        "user list",
        "status",
        "config",
        "config --json",
        "config --markdown",
        "db check",
        "prune --json",
        "app create Shop",
    ],
)
def test_a_command_whose_reader_has_left_ends_quietly_and_well(
    run: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    run("app", "create", "First")
    capfd.readouterr()
    with Output() as output:
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as ended:
            main(command.split())
        monkeypatch.undo()
    assert ended.value.code == 0
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    assert "Error" not in errors


def test_tail_ends_quietly_and_well_when_its_reader_leaves() -> None:
    with Server() as server:
        command = [sys.executable, "-m", "checkend.cli", "tail", "--url", server.url, "--key", server.app.api_key]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        assert process.stdout
        assert process.stderr
        assert b"Following" in process.stderr.readline()
        process.stdout.close()
        assert report(server.app, body=json.dumps({"error": {"class": "E"}}).encode())[0] == 201
        assert process.wait(20) == 0
        assert process.stderr.read() == b""
        process.stderr.close()


@pytest.mark.parametrize(("no_color", "colored"), [(None, True), ("", True), ("1", False)])
def test_no_color_turns_colors_off(monkeypatch: pytest.MonkeyPatch, no_color: str | None, colored: bool) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    assert (style("red", fg="red") != "red") is colored


def test_all_colors_of_the_command_line_heed_no_color() -> None:
    package = Path(main.callback.__code__.co_filename).parent  # type: ignore[union-attr]  # a group has a callback
    styling = re.compile(r"click\.(style|secho)\(")
    assert {file.name for file in package.rglob("*.py") if styling.search(file.read_text())} == {"terminal.py"}


@pytest.mark.parametrize("command", ["serve", "dev", "fixture", "demo --serve"])
@pytest.mark.parametrize("port", ["-1", "65536", "99999", "http"])
def test_a_port_that_cannot_be_is_refused_by_every_command(run: Any, instance: Path, command: str, port: str) -> None:
    refused = run(*command.split(), "--port", port, status=2)
    assert "Invalid value for '--port'" in refused.stderr
    assert port in refused.stderr
    assert not instance.exists()


@pytest.mark.parametrize("command", ["status", "send-test shop", "tail --key k"])
@pytest.mark.parametrize(
    "url", ["localhost:8080", "http://127.0.0.1:99999", "http://127.0.0.1:http", "http://", "http://[::1"]
)
def test_a_url_that_cannot_be_is_refused_by_every_command(run: Any, command: str, url: str) -> None:
    assert f"{url!r} is not a URL" in run(*command.split(), "--url", url, status=2).stderr
