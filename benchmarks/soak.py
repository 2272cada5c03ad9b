"""Soak test: a mixed load for a long time, with samples of memory and file size."""

import json
import random
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import seed, servers
from checkend.db.connection import DATABASE_FILE_NAME

CLIENTS = 6


def run(folder: Path, minutes: int, port: int) -> dict[str, Any]:
    """Post, list, read and resolve with `CLIENTS` threads; sample memory and file size every 10 s."""
    names = seed.create_database(folder / "soak")
    statuses: Counter[str] = Counter()
    samples: list[dict[str, float]] = []
    end = time.monotonic() + minutes * 60
    with servers.checkend(folder / "soak", port) as server:
        clients = [
            threading.Thread(target=_client, args=(server.url, names, seed_, end, statuses)) for seed_ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        started = time.monotonic()
        while time.monotonic() < end:
            time.sleep(min(10.0, max(end - time.monotonic(), 0.1)))
            size = sum(path.stat().st_size for path in (folder / "soak").glob(f"{DATABASE_FILE_NAME}*"))
            samples.append({"s": time.monotonic() - started, "memory_mb": server.memory, "file_mb": size / 1e6})
        for client in clients:
            client.join()
    with closing(sqlite3.connect(folder / "soak" / DATABASE_FILE_NAME)) as connection:
        (notices,) = connection.execute("SELECT count(*) FROM notices").fetchone()
        (counted,) = connection.execute("SELECT sum(notices_count + deduplicated_count) FROM problems").fetchone()
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    return {
        "minutes": minutes,
        "statuses": dict(statuses),
        "samples": samples,
        "notices": notices,
        "occurrences": counted,
        "integrity": integrity,
    }


def _client(url: str, names: dict[str, str], number: int, end: float, statuses: Counter[str]) -> None:
    choose = random.Random(number)
    sent = number * 1_000_000_000
    while time.monotonic() < end:
        sent += 1
        action = choose.choices(("post", "list", "notices", "resolve"), (20, 3, 2, 1))[0]
        statuses[f"{action} {_act(action, url, names, choose, sent)}"] += 1


def _act(action: str, url: str, names: dict[str, str], choose: random.Random, sent: int) -> int:
    problems = f"{url}/api/v1/apps/{names['slug']}/problems"
    key = {"Checkend-API-Key": names["api_key"]}
    if action == "post":
        location = choose.randrange(300)
        trace = ["/srv/run.py:1 in main", f"/srv/app/{location}.py:{choose.randrange(3, 30)} in f{location}"]
        body = {"error": {"class": "ValueError", "message": f"bad {sent}", "backtrace": trace}, "user": {"id": sent}}
        body["notifier"] = {"name": "checkend-python", "language": "python"}
        return _request("POST", f"{url}/ingest/v1/errors", {"Checkend-Ingestion-Key": names["ingestion_key"]}, body)
    if action == "list":
        return _request("GET", f"{problems}?sort=notices&search=bad", key)
    problem = f"{problems}/{choose.randrange(1, 200)}"
    return (
        _request("GET", f"{problem}/notices", key)
        if action == "notices"
        else _request("POST", f"{problem}/resolve", key)
    )


def _request(method: str, url: str, headers: dict[str, str], body: Any = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    headers = headers | ({"Content-Type": "application/json"} if data else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as response:
            response.read()
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def table(soak: dict[str, Any]) -> list[str]:
    """Return the result as lines of Markdown."""
    samples = soak["samples"]
    picked = samples[:: max(len(samples) // 12, 1)]
    return [
        f"Soak of {soak['minutes']} minutes, {CLIENTS} clients: "
        + ", ".join(f"{what}: {count}" for what, count in sorted(soak["statuses"].items()))
        + f". {soak['notices']} notices, {soak['occurrences']} occurrences, integrity {soak['integrity']}.",
        "",
        "| after s | memory MB | files MB |",
        "|---|---|---|",
        *(f"| {sample['s']:.0f} | {sample['memory_mb']:.1f} | {sample['file_mb']:.1f} |" for sample in picked),
    ]
