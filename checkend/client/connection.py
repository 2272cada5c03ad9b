"""JSON over HTTP with the standard library alone, on connections that are kept open."""

import json
import threading
import time
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

# Servers close connections on which nothing happens, after a minute or so; one that may be closed is not used again.
IDLE_SECONDS = 20.0
SPARE_SECONDS = 10.0


class Response(NamedTuple):
    """What a server answered: the status, and the JSON value of the body (None for none)."""

    status: int
    value: Any


class JsonConnection:
    """Speaks to the server at ``url``. Each thread has an HTTP connection of its own, which `close` closes."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server: it must begin with http:// or https://.")
        self._secure, self._address, self._root = parts.scheme == "https", parts.netloc, parts.path
        self._headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})}
        self._local = threading.local()
        self._guard = threading.Lock()
        self._open: list[HTTPConnection] = []

    def request(
        self, method: str, path: str, body: Any = None, *, timeout_seconds: float = 30.0, **query: Any
    ) -> Response:
        """Send a request, with ``body`` as JSON; parameters that are None are left out.

        ``timeout_seconds`` is how many seconds the server may take. Raises OSError or http.client.HTTPException when it
        cannot be reached, and ValueError when it does not answer with JSON.
        """
        wanted = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        headers, data = dict(self._headers), None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        connection = self._connection(timeout_seconds + SPARE_SECONDS)
        try:
            connection.request(method, f"{self._root}{path}" + (f"?{wanted}" if wanted else ""), data, headers)
            response = connection.getresponse()
            text = response.read()
        except BaseException:
            self._drop(connection)
            raise
        self._local.used = time.monotonic()
        if not text:
            return Response(response.status, None)
        try:
            return Response(response.status, json.loads(text))
        except ValueError:
            raise ValueError(f"{self.url}{path} answered {response.status} with something else than JSON.") from None

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._guard:
            connections, self._open = self._open, []
        for connection in connections:
            connection.close()

    def _connection(self, timeout: float) -> HTTPConnection:
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None and (connection.sock is None or time.monotonic() - self._local.used > IDLE_SECONDS):
            self._drop(connection)
            connection = None
        if connection is None:
            connection = self._local.connection = self._connect(timeout)
            with self._guard:
                self._open.append(connection)
        elif connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection

    def _connect(self, timeout: float) -> HTTPConnection:
        if not self._secure:
            return HTTPConnection(self._address, timeout=timeout)
        from http.client import HTTPSConnection

        return HTTPSConnection(self._address, timeout=timeout)

    def _drop(self, connection: HTTPConnection) -> None:
        connection.close()
        self._local.connection = None
        with self._guard:
            if connection in self._open:
                self._open.remove(connection)


USER_AGENT = "checkend-testing"  # of the test's own requests, which the journal leaves out
