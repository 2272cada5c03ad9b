"""HTTP client for a Checkend server, on connections that are kept open; uses the standard library only."""

import json
import threading
import time
from email.message import Message
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

# Sent by default. The test fixture's journal leaves out requests with this user agent: they are the test's own.
USER_AGENT = "checkend-testing"
# Servers close idle connections, typically after a minute. A connection that has been idle for longer than this is
# replaced before it is used, because a request on a connection that is being closed would fail.
MAX_IDLE_SECONDS = 20.0


class Response(NamedTuple):
    """The HTTP status of a response, its body as a JSON value (None for an empty body), and its headers."""

    status: int
    value: Any
    headers: Message


class ServerConnection:
    """HTTP client for the server at ``url``, which sends ``headers`` with every request.

    Can be used by several threads: each has an HTTP connection of its own, and `close` closes all of them. Redirects
    are not followed, and proxies are not used. Raises ValueError if ``url`` is not an http or https URL.
    """

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not the URL of a server: it must begin with http:// or https://.")
        self._connection_type = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._root = parts.netloc, parts.path
        self._headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})}
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[HTTPConnection] = []

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout_seconds: float = 40.0,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Response:
        """Send a request with ``body`` as JSON, and return the response; parameters that are None are left out.

        The value of an error whose body is not JSON is None. Raises ValueError if the body of another response is not
        JSON, and what `request_bytes` raises.
        """
        query_string = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        target = f"{path}?{query_string}" if query_string else path
        response, content = self._send(method, target, body, timeout_seconds, headers or {})
        try:
            value = json.loads(content) if content else None
        except ValueError:
            if response.status < 400:
                raise ValueError(f"{self.url}{path} responded with a body that is not JSON.") from None
            value = None  # an error page of a proxy
        return Response(response.status, value, response.headers)

    def request_bytes(
        self, method: str, path: str, body: Any = None, *, timeout_seconds: float = 40.0
    ) -> tuple[int, bytes]:
        """Send a request with ``body`` as JSON, and return the status and the body of the response.

        ``timeout_seconds`` limits each wait for the server. Raises OSError or http.client.HTTPException if the server
        cannot be reached or does not respond in time.
        """
        response, content = self._send(method, path, body, timeout_seconds, {})
        return response.status, content

    def _send(
        self, method: str, path: str, body: Any, timeout_seconds: float, extra_headers: dict[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        headers, data = self._headers | extra_headers, None
        if body is not None:
            headers, data = headers | {"Content-Type": "application/json"}, json.dumps(body).encode()
        connection = self._connect(timeout_seconds)
        try:
            connection.request(method, f"{self._root}{path}", data, headers)
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            self._discard(connection)
            raise
        self._local.used_at = time.monotonic()
        return response, content

    def close(self) -> None:
        """Close the connections of all threads; a later request opens a new one."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def _connect(self, timeout_seconds: float) -> HTTPConnection:
        """Return this thread's connection, or a new one if it is closed or may be about to be closed."""
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            if connection.sock is not None and time.monotonic() - self._local.used_at <= MAX_IDLE_SECONDS:
                connection.sock.settimeout(timeout_seconds)
                return connection
            self._discard(connection)
        connection = self._local.connection = self._connection_type(self._host, timeout=timeout_seconds)
        with self._lock:
            self._connections.append(connection)
        return connection

    def _discard(self, connection: HTTPConnection) -> None:
        connection.close()
        self._local.connection = None
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)
