"""What the fixture costs; for the benchmark, and for a look: ``python -m tests.support.timings``."""

import statistics
import time

from checkend.testing import Server
from tests.support.fixture_process import start_fixture


def cold_start() -> float:
    """Seconds from starting a new interpreter to the ready line of ``checkend fixture``."""
    started = time.perf_counter()
    process, _ = start_fixture()
    took = time.perf_counter() - started
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.wait()
    return took


def warm_start() -> float:
    """Seconds that `Server.start` takes in this process, where all is imported after the first call."""
    server = Server()
    started = time.perf_counter()
    server.start()
    took = time.perf_counter() - started
    server.stop()
    return took


def per_test(number: int = 200) -> list[float]:
    """Seconds that each of ``number`` tests spends on an app of its own, made and removed."""
    took = []
    with Server() as server:
        for count in range(number):
            started = time.perf_counter()
            server.new_app(f"test {count}").close()
            took.append(time.perf_counter() - started)
    return took


if __name__ == "__main__":
    warm_start()
    print(f"cold start     {statistics.median(cold_start() for _ in range(5)):.3f} s")
    print(f"warm start     {statistics.median(warm_start() for _ in range(20)):.3f} s")
    print(f"a test's share {statistics.median(per_test()) * 1000:.2f} ms")
