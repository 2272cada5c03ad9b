"""waitress with a clean end: what is in flight when the server is told to stop is answered before it stops."""

import logging
import socket
import threading
import time
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from checkend.config.urls import http_url
from checkend.exceptions import StartupError
from checkend.server.connection import Phase
from checkend.server.lifecycle import REJECT_SECONDS, STOP_SECONDS
from checkend.server.listener import Listener, limit_for_descriptors
from checkend.services import services

# From the signal on, all in all under the 10 s that container runtimes give before they kill:
# For requests that are on their way, and for the rest of those that have arrived in part:
GRACE_SECONDS = {Phase.IDLE: 0.3, Phase.DRAINING: 0.3, Phase.HEAD: 3.0, Phase.BODY: 3.0}
BACKLOG = 1024
LOOP_SECONDS = 1.0
HEAD_BYTES = 65536
MAX_PEER_SHARE = 0.5  # of all connections

log = logging.getLogger("checkend.serving")


class BindError(StartupError):
    """The address cannot be listened on; the text says why and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address, not yet listening; port 0 takes a free one. Raises `BindError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BindError(f"The host {host} cannot be listened on: {error.strerror}.") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise BindError(
            f"Port {port} on {host} cannot be used: {error.strerror}. "
            "Stop what listens there, or choose another with --port (0 takes a free one)."
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """The URL under which the server on this socket answers."""
    host, port = bound.getsockname()[:2]
    return http_url(host, port)


class WaitressServer:
    """Serves ``app`` on a socket from `bind`, until `stop` is called from a signal handler or another thread.

    ``options`` of waitress are added to those set here. Stopping takes `STOP_SECONDS` at most.
    """

    def __init__(self, app: Flask, bound: socket.socket, **options: Any) -> None:
        self.url = url_of(bound)
        self._map: dict[int, Any] = {}
        self._app = app
        # A new event: an app may be served again after a server of it has stopped.
        self._stopping = services(app).stopping = threading.Event()
        self._threads = ThreadedTaskDispatcher()
        self._threads.set_thread_count(app.config["THREADS"])
        limit = limit_for_descriptors(app.config["MAX_CONNECTIONS"])
        self._listener = Listener(
            app,
            self._map,
            dispatcher=self._threads,
            adj=_adjustments(app, bound, options),
            sockinfo=(bound.family, bound.type, bound.proto, bound.getsockname()),
            _sock=bound,
            bind_socket=False,
            limit=limit,
            # Behind a proxy every connection is the proxy's: that has to count its clients.
            per_peer=None if app.config["TRUSTED_PROXIES"] else max(1, int(limit * MAX_PEER_SHARE)),
        )

    def run(self) -> None:
        """Serve until told to stop, then answer what has been sent until then."""
        while not self._stopping.is_set():
            self._loop(LOOP_SECONDS)
        stopped_at = time.monotonic()
        self._listener.stop_listening()
        self._finish(stopped_at)
        self._threads.shutdown(timeout=0.2)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Make `run` end; returns at once."""
        self._stopping.set()
        self._listener.pull_trigger()

    def _loop(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)
        self._listener.sweep()

    def _finish(self, stopped_at: float) -> None:
        """Answer what is in flight; what takes too long is answered 503."""
        rejected = False
        while self._close_idle(time.monotonic() - stopped_at):
            self._loop(0.05)
            passed = time.monotonic() - stopped_at
            if passed > REJECT_SECONDS and not rejected:
                rejected = True
                services(self._app).ingestion.writer.reject_waiting()
            if passed > STOP_SECONDS:
                return self._give_up()
        return None

    def _give_up(self) -> None:
        left = self._listener.connections
        log.error("%d requests were cut off: they took more than %d s to finish", len(left), STOP_SECONDS)
        for connection in left:
            connection.give_up()

    def _close_idle(self, passed: float) -> bool:
        """Close the connections on which no request has arrived ``passed`` seconds after the stop; whether any is left.

        A request may be on its way, or have arrived in part: both are waited for, but not for long.
        """
        for connection in self._listener.connections:
            phase = connection.phase
            timeout_seconds = GRACE_SECONDS.get(phase)
            if timeout_seconds is not None and passed > timeout_seconds and not connection.has_unread():
                connection.time_out(phase)
        return bool(self._listener.connections)


def _adjustments(app: Flask, bound: socket.socket, options: dict[str, Any]) -> Adjustments:
    """What waitress is told, with ``options`` on top."""
    body_bytes: int = app.config["MAX_BODY_BYTES"]
    return Adjustments(
        sockets=[bound],
        ident=None,
        backlog=BACKLOG,
        asyncore_use_poll=True,
        max_request_header_size=HEAD_BYTES,
        # Up to here the app itself counts; chunks come with line ends and lengths that are no part of the body.
        max_request_body_size=body_bytes + body_bytes // 8 + 65536,
        # Only with trusted proxies the app believes their headers; /metrics must see that there are some.
        clear_untrusted_proxy_headers=False,
        **options,
    )
