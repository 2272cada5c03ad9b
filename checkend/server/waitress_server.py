"""waitress with a graceful shutdown: requests in progress are finished before the server stops."""

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

# How long after the stop signal an idle connection may still begin a request, and a request that has arrived in part
# may be completed. With `STOP_SECONDS` this stays under the 10 s after which container runtimes kill the process.
GRACE_SECONDS = {Phase.IDLE: 0.3, Phase.DRAINING: 0.3, Phase.HEAD: 3.0, Phase.BODY: 3.0}
BACKLOG = 1024
LOOP_SECONDS = 1.0
HEAD_BYTES = 65536
MAX_PEER_SHARE = 0.5  # of all connections

log = logging.getLogger("checkend.serving")


class BindError(StartupError):
    """The server cannot listen on this host and port; the message states why and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the host and port, not yet listening. Port 0 picks a free port. Raises `BindError`."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(infos, key=lambda info: info[0] != socket.AF_INET)  # prefer IPv4
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BindError(f"Cannot listen on the host {host}: {error.strerror}.") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise BindError(
            f"Cannot listen on port {port} of {host}: {error.strerror}. "
            "Stop the program that uses it, or choose another port with --port (0 picks a free one)."
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the URL of a server that listens on this socket."""
    host, port = bound.getsockname()[:2]
    return http_url(host, port)


class WaitressServer:
    """Serves ``app`` on a socket from `bind` until `stop` is called, by a signal handler or another thread.

    ``options`` are passed to waitress. Stopping takes at most `STOP_SECONDS`.
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
            # Behind a proxy all connections come from the proxy, which has to limit its clients itself.
            per_peer=None if app.config["TRUSTED_PROXIES"] else max(1, int(limit * MAX_PEER_SHARE)),
        )

    def run(self) -> None:
        """Serve until `stop` is called, then finish the requests in progress."""
        while not self._stopping.is_set():
            self._loop(LOOP_SECONDS)
        stopped_at = time.monotonic()
        self._listener.stop_listening()
        self._finish(stopped_at)
        self._threads.shutdown(timeout=0.2)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Make `run` finish. Returns immediately."""
        self._stopping.set()
        self._listener.pull_trigger()

    def _loop(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)
        self._listener.sweep()

    def _finish(self, stopped_at: float) -> None:
        """Wait for the requests in progress; respond 503 to those that take too long."""
        rejected = False
        while self._close_idle(time.monotonic() - stopped_at):
            self._loop(0.05)
            elapsed = time.monotonic() - stopped_at
            if elapsed > REJECT_SECONDS and not rejected:
                rejected = True
                services(self._app).ingestion.writer.queue.reject_pending()
            if elapsed > STOP_SECONDS:
                unfinished = self._listener.connections
                log.error("%d requests were aborted: they took more than %d s to finish", len(unfinished), STOP_SECONDS)
                for connection in unfinished:
                    connection.give_up()
                return

    def _close_idle(self, elapsed: float) -> bool:
        """Close the connections without a request, ``elapsed`` seconds after the stop; return whether any are left.

        A request may be on its way, or have arrived in part: `GRACE_SECONDS` is how long to wait for it.
        """
        for connection in self._listener.connections:
            phase = connection.phase
            grace_seconds = GRACE_SECONDS.get(phase)
            if grace_seconds is not None and elapsed > grace_seconds and not connection.has_unread():
                connection.time_out(phase)
        return bool(self._listener.connections)


def _adjustments(app: Flask, bound: socket.socket, options: dict[str, Any]) -> Adjustments:
    """Return the settings of waitress; ``options`` are added."""
    body_bytes: int = app.config["MAX_BODY_BYTES"]
    return Adjustments(
        sockets=[bound],
        ident=None,
        backlog=BACKLOG,
        asyncore_use_poll=True,
        max_request_header_size=HEAD_BYTES,
        # The app enforces the exact limit. This one is higher, because it includes the size lines of chunks.
        max_request_body_size=body_bytes + body_bytes // 8 + 65536,
        # /metrics has to see these headers; the app trusts them only from trusted proxies (see server/middleware.py).
        clear_untrusted_proxy_headers=False,
        **options,
    )
