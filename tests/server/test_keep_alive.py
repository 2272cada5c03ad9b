"""Keep-alive: whether a connection to a real server stays open after a response."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest
from flask import Flask, Response

from checkend.server import waitress_server
from tests.support.factories import Factory


@pytest.fixture
def address(app: Flask) -> Iterator[tuple[str, int]]:
    @app.get("/unchanged")
    def unchanged() -> Response:
        return Response(status=304)

    bound = waitress_server.bind("127.0.0.1", 0)
    server = waitress_server.WaitressServer(app, bound)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield bound.getsockname()
    server.stop()
    thread.join()


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(*address, timeout=10)
    yield connection
    connection.close()


def ask(connection: HTTPConnection, method: str, path: str, headers: dict[str, str]) -> HTTPResponse:
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    response.read()
    return response


def test_a_connection_stays_open_after_a_response_without_a_body(
    connection: HTTPConnection, make: Factory, key_for: Callable[..., dict[str, str]]
) -> None:
    headers = key_for()
    for name in ("a", "b"):
        make.app(name)
    connection.connect()
    first = connection.sock
    for method, path, status in (
        ("DELETE", "/api/v1/apps/a", 204),
        ("DELETE", "/api/v1/apps/b", 204),
        ("OPTIONS", "/ingest/v1/errors", 204),
        ("GET", "/unchanged", 304),
        ("HEAD", "/api/v1/apps", 200),
        ("GET", "/api/v1/apps", 200),
    ):
        response = ask(connection, method, path, headers)
        assert (response.status, response.getheader("Connection")) == (status, None)
        assert status == 200 or response.getheader("Content-Length") is None
        assert connection.sock is first


def test_a_connection_is_closed_if_the_client_requests_it(connection: HTTPConnection, address: tuple[str, int]) -> None:
    response = ask(connection, "OPTIONS", "/ingest/v1/errors", {"Connection": "close"})
    assert (response.status, response.getheader("Connection")) == (204, "close")
    for asked in (b"", b"Connection: keep-alive\r\n"):
        with socket.create_connection(address, timeout=10) as old:
            old.sendall(b"OPTIONS /ingest/v1/errors HTTP/1.0\r\n" + asked + b"\r\n")
            received = b"".join(iter(lambda: old.recv(4096), b""))
        assert received.startswith(b"HTTP/1.0 204 ")
        assert b"\r\nConnection: close\r\n" in received
