"""Ingestion while 1,000 new problems a minute are announced, relative to the same load on a server without channels."""

import http.client
import json
import threading
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks import load, seed, servers
from tests.support.receiver import Receiver
from tests.support.server_process import command

CHANNELS = 3
PROBLEMS_PER_MINUTE = 1_000
TARGET = 0.9
_numbers = count(1)


def run(folder: Path, rounds: int, seconds: int, port: int) -> dict[str, Any]:
    """Measure both servers alternately, ``rounds`` times; return the median rates, and the ratios of the rounds."""
    receiver = Receiver()
    names = {name: seed.create_database(folder / name) for name in ("with", "without")}
    for number in range(CHANNELS):
        setting = f"url={receiver.url}"
        app = str(names["with"]["slug"])
        command(folder / "with", "channel", "create", app, "webhook", f"Hook {number}", "--set", setting)
    rates: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        # In alternating order, since the machine's speed drifts.
        for name in sorted(names, reverse=bool(number % 2)):
            with servers.checkend(folder / name, port, OUTBOUND_ALLOW="127.0.0.1") as server:
                rates[name].append(_rate(server, names[name]["ingestion_key"], seconds))
    received = len(receiver.requests)
    receiver.close()
    ratios = [rate / other for rate, other in zip(rates["with"], rates["without"], strict=True)]
    return {
        "ratio": median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "with": median(rates["with"]),
        "without": median(rates["without"]),
        "messages": received,
    }


def table(found: dict[str, Any]) -> list[str]:
    """Return the result as lines of Markdown."""
    return [
        f"| {CHANNELS} channels, {PROBLEMS_PER_MINUTE:,} new problems a minute | ratio | (min-max) | target "
        "| reports/s | without channels |",
        "|---|---|---|---|---|---|",
        f"| distinct | **{found['ratio']:.2f}** | {found['ratio_min']:.2f}-{found['ratio_max']:.2f} | ≥ {TARGET} "
        f"| {found['with']:.0f} | {found['without']:.0f} |",
        "",
        f"{found['messages']} messages were received.",
    ]


def _rate(server: servers.Process, key: str, seconds: int) -> float:
    stop = threading.Event()
    flood = threading.Thread(target=_open_problems, args=(server.url, key, stop))
    flood.start()
    try:
        return load.run(server, key, "distinct", seconds).rate
    finally:
        stop.set()
        flood.join()


def _open_problems(url: str, key: str, stop: threading.Event) -> None:
    """Report new problems at the rate until ``stop`` is set."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    headers = {"Content-Type": "application/json", "Checkend-Ingestion-Key": key}
    while not stop.wait(60 / PROBLEMS_PER_MINUTE):
        error = {"class": f"Flood{next(_numbers)}Error", "message": "It broke."}
        connection.request("POST", "/ingest/v1/errors", json.dumps({"error": error}), headers)
        connection.getresponse().read()
    connection.close()
