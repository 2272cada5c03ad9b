"""Limits on what a client can make `checkend serve` wait for and buffer; no client locks out the others."""

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from flask import Flask
from waitress.buffers import OverflowableBuffer

from checkend.server import connection as server_connection
from checkend.server import listener, waitress_server
from checkend.server.connection import Phase
from checkend.server.listener import peer_of
from tests.support.factories import Factory
from tests.support.fixture_process import soon
from tests.support.server_thread import UP, RunningServer, read_all, read_response, served

LIMIT = 12  # connections
LARGE = 8 * 1024 * 1024


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the server check its limits every fraction of a second."""
    monkeypatch.setattr(waitress_server, "LOOP_SECONDS", 0.05)
    monkeypatch.setattr(listener, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(listener, "REPORT_SECONDS", 0.0)


@pytest.fixture
def server(app: Flask) -> Iterator[RunningServer]:
    app.config["MAX_CONNECTIONS"] = LIMIT
    app.add_url_rule("/large", view_func=lambda: b"x" * LARGE)
    with served(app) as running:
        yield running


@pytest.fixture
def key(make: Factory) -> bytes:
    """Return the header with the ingestion key of an app."""
    return f"Checkend-Ingestion-Key: {make.app()['ingestion_key']}\r\n".encode()


def is_closed_while_sending(client: socket.socket, data: bytes) -> bool:
    """Return whether the server closes the connection within seconds although the client keeps sending."""
    try:
        for _ in range(100):
            client.sendall(data)
            time.sleep(0.03)
    except OSError:
        return True
    return False


def is_up(server: RunningServer, **options: str) -> bool:
    started = time.monotonic()
    answered = read_response(server.connect(UP, **options)).startswith(b"HTTP/1.1 200 OK")
    return answered and time.monotonic() - started < 5  # it takes milliseconds, but the machine may be busy


@pytest.mark.parametrize(
    "sent", [b"", b"G", b"POST /up HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"], ids=["no", "head", "body"]
)
def test_connections_waiting_for_their_client_make_room_for_others(server: RunningServer, sent: bytes) -> None:
    for _ in range(3 * LIMIT):
        server.connect(sent)
    assert is_up(server)
    for _ in range(3 * LIMIT):
        server.connect(sent, source="127.0.0.2")
    assert is_up(server)


def test_clients_that_read_no_response_make_room_for_others(server: RunningServer) -> None:
    for _ in range(2 * LIMIT):
        server.connect(b"GET /large HTTP/1.1\r\n\r\n")
    while any(connection.phase is not Phase.RESPONSE for connection in server.server._listener.connections):
        time.sleep(0.05)
    assert is_up(server) or is_up(server)  # at the first attempt, all responses may just have been made


def test_the_peer_with_the_most_connections_makes_room_first(server: RunningServer) -> None:
    kept = server.connect(UP)
    assert b"200 OK" in read_response(kept)
    for _ in range(3 * LIMIT):
        server.connect(source="127.0.0.2")
    assert is_up(server, source="127.0.0.3")
    kept.sendall(UP)
    assert b"200 OK" in read_response(kept)


def test_a_peer_has_a_limited_share_of_the_connections_unless_it_is_a_proxy(app: Flask) -> None:
    app.config["MAX_CONNECTIONS"] = LIMIT
    for proxies, most in ((0, LIMIT // 2), (1, LIMIT)):
        app.config["TRUSTED_PROXIES"] = proxies
        with served(app) as server:
            for _ in range(2 * LIMIT):
                server.connect()
            assert is_up(server)
            assert len(server.server._listener.connections) == most


def test_requests_in_progress_never_make_room(app: Flask) -> None:
    app.config["MAX_CONNECTIONS"] = 2
    released = threading.Event()

    def slow() -> str:
        released.wait(10)
        return "done"

    app.add_url_rule("/slow", view_func=slow)
    app.config["TRUSTED_PROXIES"] = 1
    with served(app) as server:
        waiting = [server.connect(b"GET /slow HTTP/1.1\r\n\r\n") for _ in range(2)]
        while [connection.phase for connection in server.server._listener.connections] != [Phase.WORKING] * 2:
            time.sleep(0.02)
        rejected = read_all(server.connect())
        assert rejected.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"Retry-After: 5\r\n" in rejected
        released.set()
        assert all(read_response(client).endswith(b"done") for client in waiting)


def test_a_request_head_has_a_deadline(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "HEAD_SECONDS", 0.3)
    assert is_closed_while_sending(server.connect(b"GET /up HTTP/1.1\r\n"), b"X")
    after = server.connect(b"GET /api/v1/apps HTTP/1.1\r\n")
    assert read_all(after).startswith(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n")


def test_a_body_has_a_minimum_rate(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "WINDOW_SECONDS", 0.8)
    head = b"POST /ingest/v1/errors HTTP/1.1\r\nContent-Length: 2000\r\n\r\n"
    slow, steady = server.connect(head), server.connect(head)
    for _ in range(10):
        steady.sendall(b"x" * 200)
        time.sleep(0.1)
    assert read_response(steady).startswith(b"HTTP/1.1 401 ")
    answer = read_all(slow)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": server_connection.TIMEOUT_MESSAGE}


def test_a_response_that_the_client_does_not_read_is_aborted(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_connection, "WINDOW_SECONDS", 0.3)
    client = server.connect(b"GET /large HTTP/1.1\r\n\r\n")
    time.sleep(1)
    assert len(read_all(client)) < LARGE
    fast = server.connect(b"GET /large HTTP/1.1\r\n\r\n")
    assert len(read_response(fast)) > LARGE


def test_empty_lines_do_not_keep_a_connection_open(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "IDLE_SECONDS", 0.3)
    assert is_closed_while_sending(server.connect(), b"\r\n\r\n")


def test_pipelined_requests_are_processed_in_order_and_one_at_a_time(server: RunningServer) -> None:
    client = server.connect(b"GET /large HTTP/1.1\r\n\r\n" * 3 + UP)
    assert soon(lambda: any(one.total_outbufs_len for one in server.server._listener.connections))
    time.sleep(0.5)
    (connection,) = server.server._listener.connections
    assert connection.total_outbufs_len < LARGE + 1000
    client.shutdown(socket.SHUT_WR)
    received = read_all(client)
    assert received.count(b"200 OK") == 4
    assert received.endswith(b"up\n")
    assert len(received) > 3 * LARGE


@pytest.mark.parametrize("chunked", [False, True], ids=["by its length", "in chunks"])
def test_the_excess_of_a_body_is_read_and_discarded(
    server: RunningServer, key: bytes, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = 0
    append = OverflowableBuffer.append

    def counting(buffer: OverflowableBuffer, data: bytes) -> None:
        nonlocal kept
        kept += len(data)
        append(buffer, data)

    monkeypatch.setattr(OverflowableBuffer, "append", counting)
    size = 24 * 1024 * 1024
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    head = b"POST /ingest/v1/errors HTTP/1.1\r\nOrigin: https://a.example\r\n"
    client = server.connect(head + key + length + b"\r\n\r\n")
    client.sendall(b"%x\r\n" % size * chunked + b"x" * size)  # all of it, before any answer is read
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Access-Control-Allow-Origin: https://a.example\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "The request body is too large."}
    assert kept < 2 * 1024 * 1024


def test_a_client_that_expects_100_continue_gets_413_immediately(server: RunningServer, key: bytes) -> None:
    head = b"POST /ingest/v1/errors HTTP/1.1\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n"
    assert read_all(server.connect(head + key + b"\r\n")).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 5000, 400),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000, 431),
    ],
    ids=["address", "length", "chunk length", "trailer", "head"],
)
def test_a_malformed_request_gets_a_response_and_logs_no_traceback(
    server: RunningServer, sent: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_all(server.connect(sent)).startswith(b"HTTP/1.%d %d " % (status != 431, status))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_malformed_request_without_a_response_before_the_stop_gets_503(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waitress_server, "STOP_SECONDS", 0.2)
    has_arrived, is_stopped = threading.Event(), threading.Event()
    respond = server_connection.MalformedRequestTask.execute

    def respond_late(task: server_connection.MalformedRequestTask) -> None:
        has_arrived.set()
        assert is_stopped.wait(10)
        respond(task)

    monkeypatch.setattr(server_connection.MalformedRequestTask, "execute", respond_late)
    client = server.connect(b"\0\r\n\r\n")
    assert has_arrived.wait(5)
    server.stop()
    is_stopped.set()
    assert read_all(client).startswith(b"HTTP/1.1 503 ")
    assert "Traceback" not in caplog.text


def test_closed_connections_are_logged(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(LIMIT):
        server.connect()
    assert is_up(server)
    assert soon(lambda: "connections were closed: " in caplog.text)


@pytest.mark.parametrize(
    ("soft", "hard", "possible"), [(300, 4096, 1000), (300, 656, 200), (200, 270, 16)], ids=["raised", "few", "least"]
)
def test_the_limit_on_open_files_is_raised_and_respected(soft: int, hard: int, possible: int) -> None:
    code = (
        "import resource; from checkend.server.listener import limit_for_descriptors\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "print(limit_for_descriptors(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(possible), str(min(hard, 2256))]
    assert ("limit on open files" in done.stderr) == (possible < 1000)


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_ipv6_clients_are_counted_by_their_network(host: str, peer: str) -> None:
    assert peer_of(host) == peer


def upload(path: bytes, size: int, sent: int, headers: bytes = b"") -> bytes:
    """Return the beginning of a request with a body of ``size`` bytes, of which ``sent`` are included."""
    return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n" % (path, headers, size) + b" " * sent


def buffered(server: RunningServer) -> int:
    return sum(connection.buffered_bytes for connection in server.server._listener.connections)


@pytest.fixture
def small_buffers(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    """Start a server that buffers at most 1 MB of bodies."""
    monkeypatch.setattr(listener, "MIN_BUFFER_BYTES", 1_000_000)
    monkeypatch.setattr(listener, "MIN_BUFFER_BODIES", 0)
    with served(app) as running:
        yield running


def test_the_buffered_bodies_of_one_client_are_limited(small_buffers: RunningServer) -> None:
    most = 0
    clients = []
    for _ in range(30):
        clients.append(small_buffers.connect(upload(b"/ingest/v1/errors", 200_000, 100_000), source="127.0.0.2"))
        time.sleep(0.02)
        most = max(most, buffered(small_buffers))
    assert 200_000 < most <= 500_000 + 65_536
    rejected = read_all(clients[0])
    assert rejected.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Retry-After: 5\r\n" in rejected
    assert json.loads(rejected.partition(b"\r\n\r\n")[2])["error"].startswith("The server is receiving too many")
    assert is_up(small_buffers, source="127.0.0.2")


def test_a_client_with_many_large_bodies_makes_room_for_those_of_others(
    small_buffers: RunningServer, key: bytes
) -> None:
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
        for _ in range(4):
            small_buffers.connect(upload(b"/ingest/v1/errors", 200_000, 100_000), source=source)
    report = b'{"error": {"class": "E"}, "context": {"c": "' + b"x" * 200_000 + b'"}}'
    client = small_buffers.connect(upload(b"/ingest/v1/errors", len(report), 0, key), source="127.0.0.5")
    for start in range(0, len(report), 20_000):
        client.sendall(report[start : start + 20_000])
        time.sleep(0.01)
    assert read_response(client).startswith(b"HTTP/1.1 201 CREATED")
    assert buffered(small_buffers) <= 1_000_000


def test_finished_and_closed_requests_do_not_count_as_buffered(small_buffers: RunningServer, key: bytes) -> None:
    report = b'{"error": {"class": "E"}, "context": {"c": "' + b"x" * 150_000 + b'"}}'
    client = small_buffers.connect()
    for _ in range(10):
        client.sendall(upload(b"/ingest/v1/errors", len(report), 0, key) + report)
        assert read_response(client).startswith(b"HTTP/1.1 201 CREATED")
    for _ in range(10):
        small_buffers.connect(upload(b"/ingest/v1/errors", 200_000, 100_000)).close()
        time.sleep(0.02)
    client.sendall(upload(b"/ingest/v1/errors", len(report), 0, key) + report)
    assert read_response(client).startswith(b"HTTP/1.1 201 CREATED")
