"""The server of ``checkend serve`` in a thread of the test, and clients that speak HTTP by hand."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from checkend.server import waitress_server

UP = b"GET /up HTTP/1.1\r\nHost: checkend\r\n\r\n"


class RunningServer:
    """``app`` being served on a free port."""

    def __init__(self, app: Flask, **options: Any) -> None:
        self.server = waitress_server.WaitressServer(app, waitress_server.bind("127.0.0.1", 0), **options)
        self.port = int(str(urlsplit(self.server.url).port))
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._clients: list[socket.socket] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 20) -> None:
        """Tell the server to stop, and wait until it has."""
        self.server.stop()
        self.wait(timeout)

    def stop_listening(self) -> None:
        """Tell the server to stop, and wait until it takes no more connections: from then on it is stopping."""
        self.server.stop()
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 10).close()
            except ConnectionError:
                return
            assert time.monotonic() < until, "the server goes on listening"
            time.sleep(0.01)

    def wait_until_read(self) -> None:
        """Wait until the server has read all that was sent so far.

        It looks at all connections in turn: a second answer on another one comes after it has looked at each.
        """
        client = self.connect()
        for _ in range(2):
            client.sendall(UP)
            assert read_response(client)

    def wait(self, timeout: float = 20) -> None:
        """Wait until the server has stopped."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the server does not stop"

    def connect(self, data: bytes = b"", *, source: str = "127.0.0.1") -> socket.socket:
        """Return a connection on which ``data`` has been sent. It is closed at the end of the test."""
        client = socket.create_connection(("127.0.0.1", self.port), 10, source_address=(source, 0))
        self._clients.append(client)
        client.sendall(data)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self._thread.ident is None:
            self.start()
        if self._thread.is_alive():
            self.stop()


@contextmanager
def served(app: Flask, *, start: bool = True, **options: Any) -> Iterator[RunningServer]:
    """Serve ``app`` during the block."""
    running = RunningServer(app, **options)
    try:
        if start:
            running.start()
        yield running
    finally:
        running.close()


def read_all(client: socket.socket) -> bytes:
    """All that comes on a connection until its end, be it a reset."""
    received = bytearray()
    try:
        while data := client.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


def read_response(client: socket.socket) -> bytes:
    """One response that has a Content-Length; what came, where the connection ends before."""
    received = b""
    while True:
        head, found, body = received.partition(b"\r\n\r\n")
        if found:
            length = next(
                int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            )
            if len(body) >= length:
                return received
        data = client.recv(65536)
        if not data:
            return received
        received += data
