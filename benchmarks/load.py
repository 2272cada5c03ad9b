"""Load: reports sent by wrk, and the measured rates and latencies."""

import itertools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.servers import Process

CLIENTS = 8
SCRIPT = Path(__file__).with_name("report.lua")
_offsets = itertools.count(0, 10_000_000)


@dataclass(frozen=True)
class Load:
    """One run: requests per second, percentiles in ms, CPU time per request in µs, total requests, errors."""

    rate: float
    p50: float
    p99: float
    cpu: float
    requests: int
    errors: int


def run(server: Process, key: str, mode: str, seconds: int) -> Load:
    """Send reports of one kind over `CLIENTS` connections. Raises RuntimeError if wrk fails."""
    environ = os.environ | {"KEY": key, "MODE": mode, "OFFSET": str(next(_offsets))}
    before = server.cpu_seconds
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "-s", str(SCRIPT), server.url],
        env=environ,
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            requests, micros, errors, p50, p99 = map(float, line.split()[1:])
            cpu = (server.cpu_seconds - before) / max(requests, 1) * 1e6
            return Load(requests / micros * 1e6, p50 / 1000, p99 / 1000, cpu, int(requests), int(errors))
    raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")


def interleaved(ours: Process, floor: Process, key: str, mode: str, rounds: int, seconds: int) -> dict[str, float]:
    """Run both alternately, ``rounds`` times; return the medians, and the median ratio of the rounds."""
    pairs = []
    for _ in range(rounds):
        pairs.append((run(floor, key, mode, seconds), run(ours, key, mode, seconds)))
    own = [pair[1] for pair in pairs]
    return {
        "rate": median(load.rate for load in own),
        "floor": median(pair[0].rate for pair in pairs),
        "ratio": median(pair[1].rate / pair[0].rate for pair in pairs),
        "ratio_min": min(pair[1].rate / pair[0].rate for pair in pairs),
        "ratio_max": max(pair[1].rate / pair[0].rate for pair in pairs),
        "p50": median(load.p50 for load in own),
        "p99": median(load.p99 for load in own),
        "cpu": median(load.cpu for load in own),
        "cpu_floor": median(pair[0].cpu for pair in pairs),
        "requests": sum(load.requests for load in own),
        "errors": sum(load.errors for load in own),
    }
