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

BATCH = 2_000  # cases per process: each begins with a fresh database
STUCK_SECONDS = 60.0  # without progress, and without using CPU
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Finding:
    """Something a case brought to light, and the request that did."""

    case: int
    kind: str
    wrong: str
    request: str

    def __str__(self) -> str:
        return f"case {self.case} ({self.kind}): {self.wrong}\n    {self.request}"


def run(seed: int, first: int, stop: int, kinds: list[str], *, plant: bool = False) -> Iterator[Finding]:
    """Run the cases from ``first`` up to ``stop``; yield each finding, and go on after it."""
    while first < stop:
        end = min(first + BATCH, stop)
        findings, first = _run_batch(seed, first, end, kinds, plant)
        yield from findings


def _run_batch(seed: int, first: int, stop: int, kinds: list[str], plant: bool) -> tuple[list[Finding], int]:
    """Return the findings of one process, and the case to go on with."""
    with tempfile.NamedTemporaryFile() as progress, tempfile.TemporaryFile("w+") as output:
        progress.write(struct.pack("<q", first - 1))
        progress.flush()
        options = {
            "seed": seed,
            "first": first,
            "stop": stop,
            "kinds": kinds,
            "plant": plant,
            "progress": progress.name,
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", json.dumps(options)],
            cwd=ROOT,
            env={name: item for name, item in os.environ.items() if not name.startswith("CHECKEND_")},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        stuck = _wait(worker, progress.name)
        _, complaints = worker.communicate()
        reached = _reached(progress.name)
        output.seek(0)
        findings = [Finding(**json.loads(line)) for line in output if line.startswith("{")]
    if worker.returncode == 0:
        return findings, stop
    return [*findings, _death(seed, reached, kinds, worker.returncode, stuck, complaints)], reached + 1


def _wait(worker: "subprocess.Popen[str]", progress: str) -> bool:
    """Wait for the process to end; kill it, and return True, when it makes no progress."""
    reached, since = -1, time.monotonic()
    while worker.poll() is None:
        time.sleep(0.05)
        now = _reached(progress)
        if now != reached:
            reached, since = now, time.monotonic()
        elif time.monotonic() - since > STUCK_SECONDS:
            worker.kill()
            worker.wait()
            return True
    return False


def _reached(progress: str) -> int:
    (number,) = struct.unpack("<q", Path(progress).read_bytes())
    return int(number)


def _death(seed: int, case: int, kinds: list[str], status: int, stuck: bool, complaints: str) -> Finding:
    if stuck:
        wrong = f"no response within {STUCK_SECONDS:g} s"
    elif status == -signal.SIGPROF:
        wrong = "more than 1 s of CPU"
    else:
        wrong = f"the server's process ended with status {status}: {complaints[-2000:]}"
    again = f"python -m tests.fuzz --seed {seed} --first {case} --cases 1 --kinds {','.join(kinds)}"
    return Finding(case, "?", wrong, again)
