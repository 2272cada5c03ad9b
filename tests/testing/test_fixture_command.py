"""``checkend fixture``, for tests in any language."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from checkend.testing import Server
from tests.support.fixture_process import (
    CHECKOUT,
    FIXTURE,
    environment,
    folders,
    folders_of,
    listens,
    lives,
    run_fixture,
    soon,
    start_fixture,
)

SEND = (
    "import os, sys, urllib.request as u\n"
    "u.urlopen(u.Request(os.environ['CHECKEND_ENDPOINT'] + '/ingest/v1/errors', sys.argv[1].encode(),\n"
    "    {'Content-Type': 'application/json', 'Checkend-Ingestion-Key': os.environ['CHECKEND_API_KEY']}))\n"
)


def ended(process: "subprocess.Popen[str]", line: dict[str, Any], before: set[str]) -> int:
    """Wait until the process has ended and left nothing behind, and return its exit status."""
    status = process.wait(15)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    assert not listens(line["url"])
    assert soon(lambda: not folders() - before)
    return status


def test_it_prints_how_to_use_it_and_ends_with_its_input() -> None:
    before = folders()
    process, line = start_fixture()
    assert set(line) == {"url", "ingestion_key", "api_key", "app", "env", "pid"}
    assert line["pid"] == process.pid
    assert line["env"] == {
        "CHECKEND_ENDPOINT": line["url"],
        "CHECKEND_API_KEY": line["ingestion_key"],
        "CHECKEND_ENVIRONMENT": "production",
    }
    assert listens(line["url"])
    assert process.stdin is not None
    process.stdin.write("what is written to it means nothing\n")
    process.stdin.flush()
    assert listens(line["url"])
    process.stdin.close()
    assert ended(process, line, before) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_with_a_signal(number: signal.Signals) -> None:
    before = folders()
    process, line = start_fixture(stdin=subprocess.DEVNULL)
    time.sleep(0.3)
    assert process.poll() is None  # only a pipe or socket can be closed by another process
    process.send_signal(number)
    assert ended(process, line, before) == 0


@pytest.mark.slow
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    before = folders()
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, *FIXTURE]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    assert parent.stdout is not None
    line = json.loads(parent.stdout.readline())
    assert lives(line["pid"])
    parent.kill()
    parent.wait()
    assert soon(lambda: not lives(line["pid"]), 3)
    assert not listens(line["url"])
    assert not folders() - before
    parent.stdout.close()


def test_a_command_gets_the_variables_and_its_status_is_passed_on() -> None:
    before = folders()
    code = "import json, os; print(json.dumps(dict(os.environ))); raise SystemExit(7)"
    ran = run_fixture("--", sys.executable, "-c", code)
    assert ran.returncode == 7
    variables = json.loads(ran.stdout)
    assert variables["CHECKEND_ENVIRONMENT"] == "production"
    assert variables["CHECKEND_API_KEY"].startswith("cki_")
    assert variables["CHECKEND_MANAGEMENT_KEY"].startswith("cka_")
    assert not listens(variables["CHECKEND_ENDPOINT"])
    assert not folders() - before


def test_options_after_the_dashes_are_the_commands() -> None:
    ran = run_fixture("--", sys.executable, "-c", "import sys; print(sys.argv[1:])", "--fail-on-error", "--port")
    assert (ran.returncode, ran.stdout) == (0, "['--fail-on-error', '--port']\n")


@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_run_has_the_status_of_shells(command: str, status: int) -> None:
    ran = run_fixture("--", command)
    assert ran.returncode == status
    assert ran.stderr.startswith(f"Error: Cannot run {command}: ")


def test_a_command_that_a_signal_ended_has_the_status_of_shells() -> None:
    assert run_fixture("--", "sh", "-c", "kill -KILL $$").returncode == 137


@pytest.mark.slow
def test_signals_are_passed_on_to_the_command() -> None:
    before = folders()
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [*FIXTURE, "--", sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.wait(15) == 9
    process.stdout.close()
    assert not folders() - before


@pytest.mark.slow
def test_a_report_fails_the_command_and_is_printed() -> None:
    body = '{"error":{"class":"Boom","message":"in the cellar"}}'
    assert run_fixture("--", sys.executable, "-c", SEND, body).returncode == 0
    ran = run_fixture("--fail-on-error", "--", sys.executable, "-c", SEND, body)
    assert ran.returncode == 1
    assert "The command reported errors" in ran.stderr
    assert "1 x Boom: in the cellar" in ran.stderr
    code = SEND + "raise SystemExit(5)"
    assert run_fixture("--fail-on-error", "--", sys.executable, "-c", code, body).returncode == 5


def test_a_rejected_report_fails_the_command_too() -> None:
    code = f"try:\n    exec({SEND!r})\nexcept OSError:\n    pass\n"
    ran = run_fixture("--fail-on-error", "--", sys.executable, "-c", code, '{"error":{}}')
    assert ran.returncode == 1
    assert "422: error.class is required" in ran.stderr


def test_without_reports_the_command_passes() -> None:
    ran = run_fixture("--fail-on-error", "--", sys.executable, "-c", "print('fine')")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "fine\n", "")


def test_a_port_in_use_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = run_fixture("--port", str(taken.getsockname()[1]))
    assert ran.returncode == 1
    assert "Cannot listen on port" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--fail-on-error"], 2, "--fail-on-error requires a COMMAND"),
        (["--set", "THREADS"], 2, "'THREADS' is not of the form NAME=VALUE."),
        (["--set", "TREADS=3"], 1, "did you mean THREADS?"),
    ],
)
def test_an_invalid_command_line_is_rejected_with_the_reason(arguments: list[str], status: int, message: str) -> None:
    ran = run_fixture(*arguments)
    assert ran.returncode == status
    assert message in ran.stderr


@pytest.mark.slow
def test_next_to_the_sdk_it_fails_with_the_reason(tmp_path: Path) -> None:
    skip = shutil.ignore_patterns("static", "templates")
    shutil.copytree(CHECKOUT / "checkend", tmp_path / "checkend", ignore=skip)
    sdk = tmp_path / "checkend-1.0.0.dist-info"
    sdk.mkdir()
    (sdk / "METADATA").write_text("Metadata-Version: 2.1\nName: checkend\nVersion: 1.0.0\n")
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60}
    ran = subprocess.run(FIXTURE, env=environment(PYTHONPATH=str(tmp_path)), cwd=tmp_path, **options)  # type: ignore[call-overload]  # mixed types
    assert ran.returncode == 1
    assert "the Python SDK (the distribution 'checkend' 1.0.0) is installed in this environment" in ran.stderr
    assert "each needs a virtual environment of its own" in ran.stderr


def test_folders_of_killed_servers_are_removed_by_the_next() -> None:
    process, line = start_fixture()
    (folder,) = folders_of(line["pid"])
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    left = Path(tempfile.gettempdir()) / folder
    assert left.exists()
    assert run_fixture("--", "true").returncode == 0
    assert left.exists()  # too new: another server may be starting in it
    os.utime(left, (time.time() - 120, time.time() - 120))
    assert run_fixture("--", "true").returncode == 0
    assert not left.exists()


STARTER = (
    "import subprocess, sys, time\n"
    "source = subprocess.DEVNULL if sys.argv[1] == 'nothing' else subprocess.PIPE\n"
    "target = subprocess.PIPE if sys.argv[1] == 'early' else None\n"
    "child = subprocess.Popen(sys.argv[2:], stdin=source, stdout=target)\n"
    "print('started', file=sys.stderr, flush=True)\n"
    "time.sleep(60)\n"
)
WAYS = ("input", "signal", "pipe", "nothing", "early")


@pytest.mark.slow
def test_nine_starts_and_stops_leave_nothing() -> None:
    """Six processes, three at a time, most of which lose their parent to SIGKILL; the others in this process."""
    mark = f"CHECKEND_TEST_{os.getpid()}"
    before, threads = folders(), set(threading.enumerate())
    urls: list[str] = []
    errors: list[str] = []
    numbers = iter(range(6))
    guard = threading.Lock()

    def work() -> None:
        while True:
            with guard:
                number = next(numbers, None)
            if number is None:
                return
            try:
                urls.append(start_and_stop(WAYS[number % len(WAYS)], number / 20, environment(**{mark: "1"})))
            except Exception as error:
                errors.append(f"{number}: {error!r}")

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(3):
        with Server() as server:
            urls.append(server.url)
    for worker in workers:
        worker.join()
    assert not errors
    assert len(urls) == 9
    assert soon(lambda: not processes_with(mark), 20)
    assert not [url for url in urls if url and listens(url)]
    assert not folders() - before
    assert not {thread.name for thread in set(threading.enumerate()) - threads}


def start_and_stop(way: str, seconds: float, env: dict[str, str]) -> str:
    """Start a fixture, end it in one of `WAYS`, and return its URL, or an empty string if it ended before that."""
    command = list(FIXTURE) if way in ("input", "signal") else [sys.executable, "-c", STARTER, way, *FIXTURE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=env, **pipes) as process:  # type: ignore[call-overload]  # as above
        if way == "early":
            assert process.stderr.readline() == "started\n"
            time.sleep(seconds)
            process.kill()
            return ""
        url: str = json.loads(process.stdout.readline())["url"]
        if way == "input":
            process.stdin.close()
        elif way == "signal":
            process.terminate()
        else:
            process.kill()
        return url


def processes_with(variable: str) -> list[int]:
    """Return the ids of the processes whose environment contains the variable."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if variable.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found
