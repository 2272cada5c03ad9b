"""Reporting as a program would, and looking at what a server leaves behind."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from checkend.testing import CheckendApp
from checkend.testing._runner.tempdir import PREFIX
from tests.support.warm_processes import Checkend, run

CHECKOUT = Path(__file__).parents[2]
FIXTURE = (sys.executable, "-m", "checkend.cli", "fixture")


def report(
    app: CheckendApp,
    error_class: str = "ValueError",
    message: str = "it broke",
    *,
    key: str | None = None,
    path: str = "/ingest/v1/errors",
    body: bytes | None = None,
    timeout: float = 10,
    **more: Any,
) -> tuple[int, Any, dict[str, str]]:
    """Report as an SDK does; the status, the JSON answered and the headers. Raises what urllib raises."""
    value = {"error": {"class": error_class, "message": message, **more}}
    headers = {"Content-Type": "application/json", "Checkend-Ingestion-Key": app.ingestion_key if key is None else key}
    request = Request(app.url + path, json.dumps(value).encode() if body is None else body, headers)
    try:
        with urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except HTTPError as error:
        with error:
            return error.code, json.load(error), dict(error.headers)


def in_vain(action: Callable[..., object], *arguments: Any, **options: Any) -> threading.Thread:
    """Start a thread in which the action is expected to fail, and return it."""

    def run() -> None:
        with suppress(OSError, HTTPException, AssertionError):
            action(*arguments, **options)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which a child finds this checkout, from any folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHECKEND_")}
    return {**kept, "PYTHONPATH": str(CHECKOUT), **variables}


def run_fixture(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """``checkend fixture`` with these arguments, until it ends."""
    return run(["fixture", *arguments], **{"env": environment(), **options})


def start_fixture(*arguments: str, **options: Any) -> tuple["subprocess.Popen[str]", dict[str, Any]]:
    """``checkend fixture``, ready: the process, and the line it printed."""
    options = {"stdin": subprocess.PIPE, "env": environment(), **options}
    process = Checkend(["fixture", *arguments], stdout=subprocess.PIPE, text=True, **options)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def folders() -> set[str]:
    """Return the temporary folders of fixtures."""
    return {entry.name for entry in os.scandir(tempfile.gettempdir()) if entry.name.startswith(PREFIX)}


def folders_of(pid: int) -> set[str]:
    """Return the temporary folders of fixtures in which a process has files open."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        found |= {part for part in target.split("/") if part.startswith(PREFIX)}
    return found


def listens(url: str) -> bool:
    """Return whether anything accepts connections at the address."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def lives(pid: int) -> bool:
    """Return whether the process exists, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def soon(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Return whether the condition comes to hold within the time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def install_command(folder: Path) -> Path:
    """Create the ``checkend`` command in ``folder``, as pipx does: no variable leads programs to its package."""
    command = folder / "checkend"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(CHECKOUT)!r})\n"
        "from checkend.cli import main\nmain(prog_name='checkend')\n"
    )
    command.chmod(0o755)
    return command
