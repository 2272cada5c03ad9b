"""Durability of reports with a 201, and many concurrent clients."""

import contextlib
import http.client
import itertools
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_process import Connection, LiveServer, command

pytestmark = pytest.mark.slow

STORE = "checkend.sqlite3"


def body(number: int) -> dict[str, Any]:
    """Return a report: of one of 20 problems, in groups of three with the same backtrace."""
    line = number - number % 3
    trace = [f"/srv/app.py:{line} in fail_{number % 20}", "/srv/lib.py:1 in run"]
    return {"error": {"class": "RuntimeError", "message": f"number {number}", "backtrace": trace, "tags": ["load"]}}


def counts_agree(store: Path) -> None:
    """Assert that all maintained counters match the rows."""
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        wrong = """SELECT p.id FROM problems p WHERE p.notices_count !=
                   (SELECT count(*) FROM notices n WHERE n.problem_id = p.id)"""
        assert db.execute(wrong).fetchall() == []
        wrong = """SELECT p.id FROM problems p WHERE p.notices_count + p.deduplicated_count !=
                   (SELECT sum(count) FROM problem_hours h WHERE h.problem_id = p.id)"""
        assert db.execute(wrong).fetchall() == []
        wrong = """SELECT a.id FROM apps a WHERE a.problems_count !=
                   (SELECT count(*) FROM problems p WHERE p.app_id = a.id) OR a.unresolved_problems_count !=
                   (SELECT count(*) FROM problems p WHERE p.app_id = a.id AND p.status = 'unresolved')"""
        assert db.execute(wrong).fetchall() == []


def report_until_cut(server: LiveServer, key: str, numbers: Any, answers: list[dict[str, Any]]) -> None:
    """Report over one connection until the server ends, and record each 201."""
    with contextlib.suppress(OSError, http.client.HTTPException), server.connect() as connection:
        for number in numbers:
            status, answer = connection.ask("POST", "/ingest/v1/errors", body(number), Checkend_Ingestion_Key=key)
            assert status == 201
            answers.append(answer)


def test_reports_with_a_201_survive_sigkill_under_load(tmp_path: Path) -> None:
    app = command(tmp_path, "app", "create", "Shop")
    answers: list[dict[str, Any]] = []
    numbers = itertools.count()
    server = LiveServer(tmp_path, RATE_LIMIT_ENABLED="false")
    clients = [
        threading.Thread(target=report_until_cut, args=(server, app["ingestion_key"], numbers, answers))
        for _ in range(8)
    ]
    for client in clients:
        client.start()
    deadline = time.monotonic() + 60
    while len(answers) < 2000 and time.monotonic() < deadline:
        time.sleep(0.01)
    server.kill()
    for client in clients:
        client.join()
    assert len(answers) >= 2000

    with LiveServer(tmp_path) as server, server.connect() as connection:
        assert connection.ask("GET", "/api/v1/health")[0] == 200
    counts_agree(tmp_path / STORE)
    stored = {answer["id"]: answer["problem_id"] for answer in answers if not answer["deduplicated"]}
    counted = Counter(answer["problem_id"] for answer in answers)
    with closing(sqlite3.connect(tmp_path / STORE)) as db:
        there = dict(db.execute("SELECT id, problem_id FROM notices"))
        kept = dict(db.execute("SELECT id, notices_count + deduplicated_count FROM problems"))
    assert stored.items() <= there.items()
    assert all(kept[problem] >= count for problem, count in counted.items())
    in_flight = len(clients)
    assert sum(kept.values()) - len(answers) <= in_flight


def test_sigterm_finishes_requests_in_progress_and_exits_with_0(tmp_path: Path) -> None:
    app = command(tmp_path, "app", "create", "Shop")
    answers: list[dict[str, Any]] = []
    server = LiveServer(tmp_path, RATE_LIMIT_ENABLED="false")
    numbers = itertools.count()
    clients = [
        threading.Thread(target=report_until_cut, args=(server, app["ingestion_key"], numbers, answers))
        for _ in range(4)
    ]
    for client in clients:
        client.start()
    while len(answers) < 200:
        time.sleep(0.01)
    assert server.stop() == 0
    for client in clients:
        client.join()
    counts_agree(tmp_path / STORE)
    with closing(sqlite3.connect(tmp_path / STORE)) as db:
        (total,) = db.execute("SELECT sum(notices_count + deduplicated_count) FROM problems").fetchone()
    assert total == len(answers)


def test_32_clients_post_list_and_resolve_concurrently(tmp_path: Path) -> None:
    app = command(tmp_path, "app", "create", "Shop")
    key = command(tmp_path, "api-key", "create", "load", "--all")["key"]
    statuses: Counter[tuple[str, int]] = Counter()
    seconds = 4

    # Retention begins 20 s after the start: here every row is to be counted.
    with LiveServer(tmp_path, RATE_LIMIT_ENABLED="false", RETENTION_DAYS="0", RETENTION_NOTICES="0") as server:

        def work(seed: int) -> None:
            choose = random.Random(seed)
            end = time.monotonic() + seconds
            with server.connect() as connection:
                while time.monotonic() < end:
                    act(connection, choose)

        def act(connection: Connection, choose: random.Random) -> None:
            problems = f"/api/v1/apps/{app['slug']}/problems"
            what = choose.choices(("post", "list", "resolve", "tag"), (6, 3, 1, 1))[0]
            if what == "post":
                sent = body(choose.randrange(3000))
                answer = connection.ask("POST", "/ingest/v1/errors", sent, Checkend_Ingestion_Key=app["ingestion_key"])
            elif what == "list":
                answer = connection.ask("GET", f"{problems}?search=number", Checkend_API_Key=key)
            else:
                status, page = connection.ask("GET", f"{problems}?per_page=5", Checkend_API_Key=key)
                if status != 200 or not page["data"]:
                    return
                target = f"{problems}/{choose.choice(page['data'])['id']}"
                sent = None if what == "resolve" else {"name": f"t{choose.randrange(50)}"}
                path = f"{target}/resolve" if what == "resolve" else f"{target}/tags"
                answer = connection.ask("POST", path, sent, Checkend_API_Key=key)
            statuses[what, answer[0]] += 1

        clients = [threading.Thread(target=work, args=(seed,)) for seed in range(32)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert server.stop() == 0

    counts_agree(tmp_path / STORE)
    # On a machine with little time for it, the writer may stall for half a second; reports then get a 503.
    rejected = statuses.pop(("post", 503), 0)
    assert rejected < statuses["post", 201] / 10
    assert set(statuses) <= {("post", 201), ("list", 200), ("resolve", 200), ("tag", 201), ("tag", 422)}
    assert all(statuses[pair] > 0 for pair in (("post", 201), ("list", 200), ("resolve", 200), ("tag", 201)))


def test_two_servers_on_one_database_are_safe(tmp_path: Path) -> None:
    app = command(tmp_path, "app", "create", "Shop")
    answers: list[dict[str, Any]] = []
    with LiveServer(tmp_path) as one, LiveServer(tmp_path) as other:
        clients = [
            threading.Thread(
                target=report_until_cut, args=(server, app["ingestion_key"], range(start, 300, 4), answers)
            )
            for start, server in enumerate((one, one, other, other))
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert len(answers) == 300
    counts_agree(tmp_path / STORE)
    with closing(sqlite3.connect(tmp_path / STORE)) as db:
        (total,) = db.execute("SELECT sum(notices_count + deduplicated_count) FROM problems").fetchone()
    assert total == 300
