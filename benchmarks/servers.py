"""The measured processes: Checkend and the floor, each on waitress with the same number of threads."""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
THREADS = 8


class Process:
    """``waitress-serve`` with an app on a local port. The constructor returns when it responds. A context manager."""

    def __init__(self, target: str, port: int, ready: str, environ: dict[str, str] | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{port}", f"--threads={THREADS}", target],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("CHECKEND_")}
            | (environ or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait(ready)
        self.start_seconds = time.perf_counter() - started

    def _wait(self, ready: str) -> None:
        for _ in range(6000):
            try:
                with urllib.request.urlopen(self.url + ready, timeout=5):
                    return
            except OSError:
                if self._process.poll() is not None:
                    raise RuntimeError(f"the server ended with status {self._process.returncode}") from None
                time.sleep(0.005)
        raise RuntimeError("the server did not respond within 30 s")

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")

    @property
    def cpu_seconds(self) -> float:
        """CPU time used so far, in seconds."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def checkend(instance: Path, port: int, **chosen: str) -> Process:
    """Start Checkend with the instance folder and ``chosen`` settings, without rate limits."""
    settings = {
        "CHECKEND_INSTANCE_PATH": str(instance),
        "CHECKEND_RATE_LIMIT_ENABLED": "false",
        "CHECKEND_LOG_LEVEL": "warning",
    } | {f"CHECKEND_{name}": value for name, value in chosen.items()}
    return Process("wsgi:app", port, "/api/v1/health", settings)


def floor(port: int) -> Process:
    """Start the floor."""
    return Process("benchmarks.floor:app", port, "/up")
