"""Run fuzz cases in worker processes, and turn what becomes of them into findings."""

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.worker import PROGRESS_BYTES

BATCH = 2_000  # cases per process: each begins with a fresh database
STUCK_SECONDS = 60.0  # without progress, and without using CPU
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Finding:
    """Something a case brought to light, and the request that did (its first 2,000 bytes)."""

    case: int
    wrong: str
    request: str

    def __str__(self) -> str:
        return f"case {self.case}: {self.wrong}\n    {self.request}"


def run(seed: int, first: int, stop: int, kinds: list[str], *, plant: bool = False) -> Iterator[Finding]:
    """Run the cases from ``first`` up to ``stop``; yield each finding, and go on after it."""
    while first < stop:
        end = min(first + BATCH, stop)
        findings, first = _run_batch(seed, first, end, kinds, plant)
        yield from findings


def _run_batch(seed: int, first: int, stop: int, kinds: list[str], plant: bool) -> tuple[list[Finding], int]:
    """Return the findings of one process, and the case to go on with."""
    options = {"seed": seed, "first": first, "stop": stop, "kinds": kinds, "plant": plant}
    with (
        tempfile.NamedTemporaryFile() as progress,
        tempfile.TemporaryFile("w+") as output,
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
    ):
        progress.write(struct.pack("<q", first - 1).ljust(PROGRESS_BYTES, b"\0"))
        progress.flush()
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", json.dumps(options | {"progress": progress.name})],
            cwd=ROOT,
            env={name: item for name, item in os.environ.items() if not name.startswith("CHECKEND_")},
            stdout=output,
            stderr=complaints,
        )
        stuck = _wait(worker, progress.name)
        reached, request = _reached(progress.name)
        output.seek(0)
        complaints.seek(0)
        findings = [Finding(**json.loads(line)) for line in output if line.startswith("{")]
        if worker.returncode == 0:
            return findings, stop
        wrong = _cause(worker.returncode, stuck, complaints.read())
        return [*findings, Finding(reached, wrong, request)], reached + 1


def _wait(worker: "subprocess.Popen[str]", progress: str) -> bool:
    """Wait for the process to end; kill it, and return True, when it makes no progress."""
    reached, since = -1, time.monotonic()
    while worker.poll() is None:
        time.sleep(0.05)
        now, _ = _reached(progress)
        if now != reached:
            reached, since = now, time.monotonic()
        elif time.monotonic() - since > STUCK_SECONDS:
            worker.kill()
            worker.wait()
            return True
    return False


def _reached(progress: str) -> tuple[int, str]:
    """Return the number of the case under way, and its request."""
    note = Path(progress).read_bytes()
    (number,) = struct.unpack("<q", note[:8])
    return int(number), note[8:].rstrip(b"\0").decode("utf-8", "replace")


def _cause(status: int, stuck: bool, complaints: str) -> str:
    if stuck:
        return f"no response within {STUCK_SECONDS:g} s"
    if status == -signal.SIGPROF:
        return "more than 1 s of CPU"
    return f"the server's process ended with status {status}: {complaints[-2000:]}"
