"""A report that got 201 is never lost, whatever happens to the process, the disk, or other reports of its batch."""

import contextlib
import http.client
import itertools
import os
import random
import resource
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.db.connection import connect
from checkend.db.schema import database_path
from checkend.services import services
from tests.support.factories import Factory
from tests.support.server_process import Connection, LiveServer, command

pytestmark = pytest.mark.slow

INGEST = "/ingest/v1/errors"
STORE = "checkend.sqlite3"
ROUNDS = 10
CLIENTS = 6
ROOM = resource.RLIM_INFINITY


def report(number: int, *, repeats: bool = True) -> dict[str, Any]:
    """Return a report of one of 15 problems; with ``repeats`` two of three are duplicates."""
    line = number - number % 3 if repeats else number
    error = {"class": "E", "message": f"number {number}", "backtrace": [f"/srv/app.py:{line} in fail_{number % 15}"]}
    return {"error": error, "context": {"number": number, "padding": "x" * 1000}}


def sums(store: Path) -> tuple[int, int]:
    """Return the numbers of notices and of occurrences. Fails unless all maintained counters agree."""
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = dict(db.execute("SELECT problem_id, count(*) FROM notices GROUP BY problem_id"))
        kept = db.execute("SELECT id, notices_count, deduplicated_count FROM problems").fetchall()
        hours = dict(db.execute("SELECT problem_id, sum(count) FROM problem_hours GROUP BY problem_id"))
        (app_hours,) = db.execute("SELECT coalesce(sum(count), 0) FROM app_hours").fetchone()
        assert {problem: stored for problem, stored, _ in kept if stored} == rows
        assert {problem: stored + repeated for problem, stored, repeated in kept} == hours
        assert app_hours == sum(hours.values())
        unresolved = db.execute("SELECT sum(unresolved_problems_count), sum(problems_count) FROM apps").fetchone()
        assert unresolved == (len(kept), len(kept))
        return sum(rows.values()), app_hours


def send_until_cut(server: LiveServer, key: str, numbers: Iterator[int], responses: list[dict[str, Any]]) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException), server.connect() as connection:
        for number in numbers:
            status, response = connection.ask("POST", INGEST, report(number), Checkend_Ingestion_Key=key)
            assert status == 201
            responses.append(response)


def rounds_of_sigkill(folder: Path, seed: int) -> None:
    """Run half of the rounds on a separate database."""
    key = command(folder, "app", "create", "Shop")["ingestion_key"]
    choose, numbers = random.Random(seed), itertools.count()
    responses: list[dict[str, Any]] = []
    for number in range(1, ROUNDS // 2 + 1):
        server = LiveServer(folder, RATE_LIMIT_ENABLED="false")
        clients = [
            threading.Thread(target=send_until_cut, args=(server, key, numbers, responses)) for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        time.sleep(choose.uniform(0.05, 0.5))
        server.kill()
        for client in clients:
            client.join()
        stored, counted = sums(folder / STORE)
        acknowledged = sum(not response["deduplicated"] for response in responses)
        in_flight = CLIENTS * number
        assert acknowledged <= stored <= acknowledged + in_flight
        assert len(responses) <= counted <= len(responses) + in_flight
    with closing(sqlite3.connect(folder / STORE)) as db:
        there = dict(db.execute("SELECT id, problem_id FROM notices"))
    assert {response["id"]: response["problem_id"] for response in responses}.items() <= there.items()
    assert len(responses) > ROUNDS * CLIENTS


def test_sigkill_under_load_loses_no_report_and_counts_none_twice(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(2) as both:
        list(both.map(rounds_of_sigkill, (tmp_path / "one", tmp_path / "other"), (7, 8)))


def largest_file(folder: Path) -> int:
    return max(file.stat().st_size for file in folder.iterdir())


def limit_files(server: LiveServer, size: int) -> None:
    """Limit all files that the server writes to ``size`` bytes from now on, like a full disk."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, ROOM))


def post(connection: Connection, key: str, numbers: Iterator[int]) -> int:
    return connection.ask("POST", INGEST, report(next(numbers), repeats=False), Checkend_Ingestion_Key=key)[0]


def assert_reads_still_work(connection: Connection, slug: str, api_key: str) -> None:
    for path in ("apps", f"apps/{slug}", f"apps/{slug}/problems", f"apps/{slug}/problems?search=number"):
        assert connection.ask("GET", f"/api/v1/{path}", Checkend_API_Key=api_key)[0] == 200, path
    assert connection.ask("GET", "/api/v1/health")[0] == 200


def test_a_full_disk_responds_503_stores_no_partial_reports_and_recovers(tmp_path: Path) -> None:
    app = command(tmp_path, "app", "create", "Shop")
    fresh = command(tmp_path, "api-key", "create", "never used", "--all")["key"]  # its first use would be stamped
    key, numbers = app["ingestion_key"], itertools.count()
    with LiveServer(tmp_path, RATE_LIMIT_ENABLED="false") as server, server.connect() as connection:
        stored = sum(post(connection, key, numbers) == 201 for _ in range(50))
        assert stored == 50
        for _ in range(2):  # it fills up, recovers, and fills up again
            limit_files(server, largest_file(tmp_path))
            statuses = Counter(post(connection, key, numbers) for _ in range(400))
            stored += statuses[201]
            assert set(statuses) <= {201, 503}
            assert statuses[503] > 100
            limit_files(server, 1)
            assert_reads_still_work(connection, app["slug"], fresh)
            response = connection.ask("POST", "/api/v1/apps", {"name": "No room"}, Checkend_API_Key=fresh)
            assert response[0] == 503
            assert response[1]["error"] == "unavailable"
            limit_files(server, ROOM)
            assert {post(connection, key, numbers) for _ in range(20)} == {201}
            stored += 20
        assert connection.ask("POST", "/api/v1/apps", {"name": "Room"}, Checkend_API_Key=fresh)[0] == 201
        assert server.stop() == 0
    assert sums(tmp_path / STORE) == (stored, stored)


def test_the_response_of_a_full_disk_has_retry_after(tmp_path: Path) -> None:
    key = command(tmp_path, "app", "create", "Shop")["ingestion_key"]
    with LiveServer(tmp_path) as server:
        limit_files(server, 1)
        address = server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("POST", INGEST, b'{"error":{"class":"X"}}', {"Checkend-Ingestion-Key": key})
        response = connection.getresponse()
        response.read()
        connection.close()
    assert (response.status, response.headers["Retry-After"]) == (503, "5")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Provide a file system of 8 MB, if the machine lets tests mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_small_disk_that_fills_up_and_is_freed(small_disk: Path) -> None:
    instance = small_disk / "instance"
    app = command(instance, "app", "create", "Shop")
    api_key = command(instance, "api-key", "create", "never used", "--all")["key"]
    key, numbers = app["ingestion_key"], itertools.count()
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 4_000_000)
    with LiveServer(instance, RATE_LIMIT_ENABLED="false") as server, server.connect() as connection:
        stored = 0
        for _ in range(8000):
            status = post(connection, key, numbers)
            if status == 503:
                break
            assert status == 201
            stored += 1
        assert status == 503
        assert_reads_still_work(connection, app["slug"], api_key)
        ballast.unlink()
        assert [post(connection, key, numbers) for _ in range(20)] == [201] * 20
        assert server.stop() == 0
    assert sums(instance / STORE) == (stored + 20, stored + 20)


def test_a_read_only_database_responds_503_and_recovers(app: Flask, client: FlaskClient, make: Factory) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    assert client.post(INGEST, json=report(0), headers=headers).status_code == 201
    writing = services(app).ingestion.writer._store._connection
    writing.execute("PRAGMA query_only = ON")  # every write now fails as on a read-only disk: SQLITE_READONLY
    rejected = client.post(INGEST, json=report(30), headers=headers)
    assert (rejected.status_code, rejected.headers["Retry-After"]) == (503, "5")
    writing.execute("PRAGMA query_only = OFF")
    assert client.post(INGEST, json=report(60), headers=headers).status_code == 201
    assert sums(database_path(Path(app.instance_path))) == (2, 2)


def test_a_report_that_breaks_its_batch_fails_alone(app: Flask, make: Factory) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    path = database_path(Path(app.instance_path))
    other = connect(path)
    other.execute(
        "CREATE TRIGGER poison BEFORE INSERT ON notices WHEN new.occurred_at = 1577836800000000 "
        "BEGIN SELECT RAISE(ABORT, 'poison'); END"
    )
    statuses: dict[int, int] = {}

    def send(number: int) -> None:
        body = report(number * 3)
        if number % 5 == 4:
            body["error"]["occurred_at"] = "2020-01-01T00:00:00Z"
        statuses[number] = app.test_client().post(INGEST, json=body, headers=headers).status_code

    send(0)
    other.execute("BEGIN IMMEDIATE")  # the writer waits, and the reports gather
    threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 20)]
    for thread in threads:
        thread.start()
    writer = services(app).ingestion.writer
    until = time.monotonic() + 5
    while writer.queue_length < 10 and time.monotonic() < until:
        time.sleep(0.01)
    other.execute("COMMIT")
    for thread in threads:
        thread.join()
    assert (
        max(size for size, count in zip((*writer.batches.bounds, 501), writer.batches.counts, strict=True) if count)
        >= 16
    )
    assert statuses == {number: 422 if number % 5 == 4 else 201 for number in range(20)}
    other.execute("DROP TRIGGER poison")
    other.close()
    assert sums(path) == (16, 16)


def test_the_writer_continues_after_all_reports_were_withdrawn(
    app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    writer = services(app).ingestion.writer
    app.test_client().post(INGEST, json=report(0), headers=headers)
    monkeypatch.setattr("checkend.ingest.report_queue.LINGER_SECONDS", 0.2)
    queue = writer.queue
    with queue._lock:  # a report arrives, and is withdrawn while the writer waits for a second one
        queue._expected = 2
        queue._pending.append(object())
        queue._arrived.notify()
    time.sleep(0.05)
    with queue._lock:
        queue._pending.clear()
    time.sleep(0.3)
    assert app.test_client().post(INGEST, json=report(3), headers=headers).status_code == 201
