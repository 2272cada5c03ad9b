"""waitress with a clean end: what is in flight when the server is told to stop is answered before it stops."""

import logging
import socket
import threading
import time
from typing import Any

from flask import Flask
from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask, Task, WSGITask
from waitress.utilities import RequestEntityTooLarge

from checkend.config import CannotStart
from checkend.keep_alive import KeepAliveTask

STOP_SECONDS = 8.0  # under the 10 s that container runtimes give before they kill
BACKLOG = 1024
CONNECTIONS = 1000
IDLE_SECONDS = 60
SPARE_BODY_BYTES = 16 * 1024 * 1024

log = logging.getLogger("checkend.serving")


class AddressRefused(CannotStart):
    """The address cannot be listened on; the text says why and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address, not yet listening; port 0 takes a free one. Raises `AddressRefused`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressRefused(f"The host {host} cannot be listened on: {error.strerror}.") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise AddressRefused(
            f"Port {port} on {host} cannot be used: {error.strerror}. "
            "Stop what listens there, or choose another with --port (0 takes a free one)."
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """The URL under which the server on this socket answers."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class BodyRefused(WSGITask):  # type: ignore[misc]  # waitress ships no types
    """Hands a request whose body waitress did not take to the app: that refuses it by its length, in its own words."""

    def execute(self) -> None:
        # Sent in chunks, it has no length but what came until it was refused.
        self.request.headers.setdefault("CONTENT_LENGTH", str(self.request.body_bytes_received))
        self.set_close_on_finish()  # what else the client sends is no next request
        super().execute()


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """A connection on which the app answers for bodies that are too large, as for all else that has a path."""

    task_class = KeepAliveTask

    def error_task_class(self, channel: HTTPChannel, request: HTTPRequestParser) -> Task:
        too_large = isinstance(request.error, RequestEntityTooLarge)
        return (BodyRefused if too_large else ErrorTask)(channel, request)


class Server:
    """Serves ``app`` on a socket from `bind`, until `stop` is called from a signal handler or another thread.

    ``options`` of waitress are added to those set here.
    """

    def __init__(self, app: Flask, bound: socket.socket, **options: Any) -> None:
        self.url = address_of(bound)
        self._map: dict[int, Any] = {}
        self._stopping = app.extensions["checkend_stopping"] = threading.Event()  # for requests that wait
        self._server = create_server(
            app,
            map=self._map,
            sockets=[bound],
            threads=app.config["THREADS"],
            ident=None,
            backlog=BACKLOG,
            connection_limit=CONNECTIONS,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=10,
            asyncore_use_poll=True,
            # Up to here a body is read to its end, so that its sender comes to read the app's 413.
            max_request_body_size=app.config["MAX_BODY_BYTES"] + SPARE_BODY_BYTES,
            # Only with trusted proxies the app believes their headers; /metrics must see that there are some.
            clear_untrusted_proxy_headers=False,
            **options,
        )
        self._server.channel_class = Channel

    def run(self) -> None:
        """Serve until told to stop, then answer what is in flight, for `STOP_SECONDS` at most."""
        while not self._stopping.is_set():
            self._loop(1.0)
        self._stop_listening()
        until = time.monotonic() + STOP_SECONDS
        while (busy := self._close_idle()) and time.monotonic() < until:
            self._loop(0.1)
        if busy:
            log.error("%d requests were cut off: they took more than %d s to finish", busy, STOP_SECONDS)
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Make `run` end; returns at once."""
        self._stopping.set()
        self._server.pull_trigger()

    def _loop(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)

    def _stop_listening(self) -> None:
        for dispatcher in list(self._map.values()):
            if isinstance(dispatcher, BaseWSGIServer):
                wasyncore.dispatcher.close(dispatcher)  # not its own close(), which would cut the threads off too

    def _close_idle(self) -> int:
        """Close the connections that have no request under way; how many have one."""
        busy = 0
        for channel in list(self._map.values()):
            if not isinstance(channel, HTTPChannel):
                continue
            if channel.requests or channel.request or channel.total_outbufs_len:
                busy += 1
            else:
                channel.handle_close()
        return busy
