"""Tests that send Ctrl-C also pass in a process that was started with SIGINT ignored."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
IN_BACKGROUND = ("sh", "-c", 'trap "" INT HUP; exec "$@"', "sh")  # as shells start what ends with &
SHOW = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"


def test_processes_that_tests_start_take_ctrl_c_also_when_the_test_run_ignores_it() -> None:
    code = (
        "import signal, subprocess, sys; from tests.support.signals import stop_ignoring\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
        "stop_ignoring()\n"
        f"subprocess.run([sys.executable, '-c', {SHOW!r}], check=True)"
    )
    done = subprocess.run(
        [*IN_BACKGROUND, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN, "conftest.py does it for this run"


def test_a_server_in_the_background_goes_on_at_ctrl_c(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*IN_BACKGROUND, sys.executable, "-m", "checkend.cli", "fixture"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline()
        for number in (signal.SIGINT, signal.SIGHUP):
            os.kill(process.pid, number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.stdin.close()  # what does end it
        assert process.wait(20) == 0
