"""Cost of the test fixture, for the benchmark; prints it with ``python -m tests.support.timings``."""

import statistics
import subprocess
import time
from collections.abc import Callable

from checkend.testing import Server
from tests.support.fixture_process import FIXTURE, environment


def cold_start() -> float:
    """Seconds from starting a new interpreter to the ready line of ``checkend fixture``."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = time.perf_counter()
    with subprocess.Popen(FIXTURE, env=environment(), **pipes) as process:  # type: ignore[call-overload]  # mixed types
        assert process.stdout.readline()
        took = time.perf_counter() - started
        process.stdin.close()
    return took


def warm_start() -> float:
    """Seconds that `Server.start` takes in this process, where all is imported after the first call."""
    server = Server()
    started = time.perf_counter()
    server.start()
    took = time.perf_counter() - started
    server.stop()
    return took


def per_test(number: int = 200, clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Seconds of ``clock`` that each of ``number`` tests spends on an app of its own, made and removed."""
    took = []
    with Server() as server:
        for count in range(number):
            started = clock()
            server.new_app(f"test {count}").close()
            took.append(clock() - started)
    return took


if __name__ == "__main__":
    warm_start()
    print(f"cold start     {statistics.median(cold_start() for _ in range(5)):.3f} s")
    print(f"warm start     {statistics.median(warm_start() for _ in range(20)):.3f} s")
    print(f"a test's share {statistics.median(per_test()) * 1000:.2f} ms")
