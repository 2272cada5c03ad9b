"""Shutdown: requests in progress get a response, and the server stops in time even if the database is locked."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flask import Flask

from checkend.ingest import writer
from checkend.server import waitress_server
from checkend.server.connection import Phase
from checkend.services import services
from tests.support.factories import Factory
from tests.support.server_thread import UP, RunningServer, read_all, read_response, served

CLOSE = b"Connection: close\r\n"


@pytest.fixture
def server(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    monkeypatch.setattr(waitress_server, "LOOP_SECONDS", 0.05)
    with served(app) as running:
        yield running


@pytest.fixture
def report(make: Factory) -> bytes:
    """Return a request with a report to an app."""
    return report_to(make.app()["ingestion_key"])


def report_to(key: str) -> bytes:
    body = json.dumps({"error": {"class": "Late", "message": "sent while the server stops"}}).encode()
    head = f"POST /ingest/v1/errors HTTP/1.1\r\nHost: x\r\nCheckend-Ingestion-Key: {key}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\nContent-Type: application/json\r\n\r\n" + body


@contextmanager
def locked(app: Flask) -> Iterator[Callable[[], int]]:
    """Keep the database locked by another program during a block; yield a function that counts the notices."""
    with closing(sqlite3.connect(Path(app.instance_path) / "checkend.sqlite3", isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        yield lambda: int(store.execute("SELECT count(*) FROM notices").fetchone()[0])
        if store.in_transaction:
            store.execute("ROLLBACK")


def test_requests_on_kept_alive_connections_around_the_stop_get_a_response(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(waitress_server.GRACE_SECONDS, Phase.IDLE, 3.0)
    clients = [server.connect(UP) for _ in range(24)]
    for client in clients:
        assert CLOSE not in read_response(client)
    for client in clients[:12]:
        client.sendall(UP)
    server.stop_listening()
    for client in clients[12:]:
        client.sendall(UP)
    answers = [read_all(client) for client in clients]
    assert [answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers] == [True] * 24
    assert [CLOSE in answer for answer in answers[12:]] == [True] * 12
    server.wait()


def test_idle_connections_are_closed_soon(server: RunningServer) -> None:
    idle, unused = server.connect(UP), server.connect()
    read_response(idle)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 3
    assert read_all(idle) == read_all(unused) == b""


def test_requests_in_the_backlog_get_a_response(app: Flask) -> None:
    with served(app, start=False) as server:
        clients = [server.connect(UP) for _ in range(50)]
        server.server.stop()
        server.start()
        server.wait()
        answers = [read_all(client) for client in clients]
    assert [CLOSE in answer and answer.endswith(b"\r\n\r\nup\n") for answer in answers] == [True] * 50


def test_the_server_waits_for_the_rest_of_a_request(
    server: RunningServer, report: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(waitress_server.GRACE_SECONDS, Phase.HEAD, 2.0)
    monkeypatch.setitem(waitress_server.GRACE_SECONDS, Phase.BODY, 2.0)
    client, silent = server.connect(report[:-20]), server.connect(report[:40])
    server.wait_until_read()
    server.stop_listening()
    time.sleep(0.5)
    client.sendall(report[-20:])
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert CLOSE in answer
    server.wait(5)
    assert read_all(silent).startswith(b"HTTP/1.1 408 ")


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waitress_server, "REJECT_SECONDS", 0.2)
    monkeypatch.setattr(waitress_server, "STOP_SECONDS", 1.0)
    monkeypatch.setattr(writer, "CLOSE_SECONDS", 0.5)


@pytest.mark.usefixtures("_soon")
def test_reports_that_wait_for_a_locked_database_are_rejected_and_not_stored_later(
    app: Flask, server: RunningServer, report: bytes
) -> None:
    with locked(app) as count_notices:
        clients = [server.connect(report) for _ in range(5)]
        server.wait_until_read()
        server.stop(timeout=5)
        for client in clients:
            answer = read_all(client)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 5\r\n" in answer
        started = time.monotonic()
        services(app).close()
        assert time.monotonic() - started < 3
    with locked(app) as count_notices:
        assert count_notices() == 0


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/hang", b'{"error":"unavailable","message":"The server is stopping and did not'),
        ("/hang", b"The server is stopping and did not"),
    ],
)
def test_requests_that_do_not_finish_get_503(app: Flask, path: str, body: bytes) -> None:
    reached, released = threading.Event(), threading.Event()

    def hang() -> str:
        reached.set()
        released.wait(10)
        return "too late"

    app.add_url_rule(path, view_func=hang)
    with served(app) as server:
        client = server.connect(b"GET %s HTTP/1.1\r\n\r\n" % path.encode())
        assert reached.wait(10)
        server.stop(timeout=5)
        answer = read_all(client)
        released.set()
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n")
    assert answer.partition(b"\r\n\r\n")[2].startswith(body)
