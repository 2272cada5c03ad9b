"""docs/quick-start.md: its commands, run in order as they are written, print what it says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.examples import DOCS
from tests.support.server_process import LiveServer, environment

# A command, and the output that follows it, if any.
_STEP = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
STEPS = _STEP.findall((DOCS / "quick-start.md").read_text(encoding="utf-8"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """Provide the server of step 2: `checkend serve`, on a free port."""
    with LiveServer(tmp_path / "instance") as server:
        yield server


@pytest.mark.slow  # it starts the interpreter for each command, as its readers do
def test_the_commands_print_what_the_page_says(server: LiveServer, tmp_path: Path) -> None:
    (install, _), (start, _), *steps = STEPS
    assert (install, start) == ("pipx install checkend-server\n", "checkend serve\n")
    script = "".join(f"{shell}echo; echo =====\n" for shell, _ in steps).replace("http://127.0.0.1:8080", server.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment(tmp_path / "instance") | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    printed = [_TIME.sub("TIME", text.strip()) for text in done.stdout.split("=====\n")]
    expected = [_TIME.sub("TIME", text.strip()) for _, text in steps]
    assert [text for text in expected if text]
    assert [(out, text) for out, text in zip(printed, expected, strict=False) if text and out != text] == []
    assert "Created app 'Shop' (id 1, slug shop)." in printed[0]
