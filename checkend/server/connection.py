"""One client connection of `checkend serve`: waitress's channel with a limit on everything that a client can delay.

waitress reads requests in one thread and processes them in others. It does not limit how long a request head may take,
how slowly a body may arrive or a response be read, how much of an oversized body is read, and how many requests a
client may send ahead. This module does.
"""

import socket
import time
from contextlib import suppress
from enum import Enum
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import Task
from waitress.utilities import BadRequest, RequestEntityTooLarge

from checkend.server.keep_alive import KeepAliveTask
from checkend.server.malformed_requests import MalformedRequestTask

HEAD_SECONDS = 15.0  # from the first byte of a request to the end of its headers
IDLE_SECONDS = 60.0  # from a response, or the start of the connection, to the next request
WINDOW_SECONDS = 20.0  # over which transfer rates are averaged: a mobile client may stall for most of it
BYTES_PER_SECOND = 500  # minimum average rate at which bodies arrive and responses are read
DRAIN_SECONDS = 30.0
DRAIN_BYTES = 64 * 1024 * 1024
CONTROL_LINE_BYTES = 4096  # maximum length of the size line of a chunk
TRAILER_BYTES = 16 * 1024

OVERLOAD_MESSAGE = "The server is receiving too many large requests. Try again."
TIMEOUT_MESSAGE = "The request took too long to arrive. Try again."
CODES = {408: "request_timeout", 503: "unavailable"}
SHUTDOWN_MESSAGE = "The server is stopping and did not finish this request. Try again."


class Phase(Enum):
    """Phase of a connection: the thing that it waits for."""

    IDLE = "idle"
    HEAD = "request head"
    BODY = "request body"
    WORKING = "application"
    RESPONSE = "response"
    DRAINING = "excess of a rejected request"


class RequestParser(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """waitress's parser, which also rejects input that makes waitress raise, or buffer or wait without limit."""

    completed: bool
    path = ""  # waitress sets none if the head is malformed, but log lines and responses use it

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request head. Raises ParsingError if it is malformed."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # a Content-Length of thousands of digits, or "http://[" as the URL
            raise ParsingError("The request head is malformed") from error

    def received(self, data: bytes) -> int:
        """Parse bytes from the client; return how many of them belong to this request."""
        consumed: int = super().received(data)
        if self.chunked and not self.completed:
            receiver = self.body_rcv
            if len(receiver.control_line) > CONTROL_LINE_BYTES or len(receiver.trailer) > TRAILER_BYTES:
                self.error = BadRequest("A chunk header or trailer is too long")
                self.completed = True
        if self.error is not None:
            self.expect_continue = False  # do not ask for the rest
            return len(data)  # discard it, so that it is not parsed as another request
        return consumed


class AppTask(KeepAliveTask):
    """A task that runs the app, and adds ``Connection: close`` to the response once the server is stopping."""

    def __init__(self, channel: "Connection", request: RequestParser) -> None:
        super().__init__(channel, request)
        channel.begin_response(request)

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping:
            self.request.headers["CONNECTION"] = "close"
        header: bytes = super().build_response_header()
        return header


class OversizedBodyTask(AppTask):
    """A task that lets the route reject a body because of its length, so that the response has the usual format."""

    def execute(self) -> None:
        # The length of a chunked body is unknown. What was received before it was rejected exceeds the limit, too.
        self.request.headers.setdefault("CONTENT_LENGTH", str(self.request.body_bytes_received))
        self.request.headers["CONNECTION"] = "close"
        super().execute()


class Connection(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """A connection of a client. The listener calls `overdue` once a second, and counts connections by ``peer``."""

    task_class = AppTask
    parser_class = RequestParser
    request: RequestParser | None
    sent_continue: bool

    def __init__(self, server: Any, client: socket.socket, address: Any, adj: Any, *, map: Any, peer: str) -> None:
        self.peer = peer
        self.served = 0
        self.bytes_sent = 0
        self.draining = False
        self.since = self._served_at = time.monotonic()
        self._ahead = b""
        self._excess = 0
        self._mark = (Phase.IDLE, 0)
        self._moved = 0
        self._responding_to: RequestParser | None = None
        self._sent_before = 0
        super().__init__(server, client, address, adj, map=map)

    # Receiving

    def error_task_class(self, channel: HTTPChannel, request: HTTPRequestParser) -> Task:
        too_large = isinstance(request.error, RequestEntityTooLarge)
        return (OversizedBodyTask if too_large else MalformedRequestTask)(channel, request)

    def readable(self) -> bool:
        """Return whether to read: one request at a time, so that the limits apply to each of them."""
        if self.requests or self.total_outbufs_len or self.will_close or self.close_when_flushed:
            lookahead: int = self.adj.channel_request_lookahead
            return bool(lookahead and not self._ahead and not self.draining) and bool(super().readable())
        if self._ahead:
            data, self._ahead = self._ahead, b""
            self.received(data)
        return not self.requests

    def received(self, data: bytes) -> bool:
        """Parse bytes from the client, and start the app if a request is complete. Runs only in the main thread."""
        arrived = len(data)
        with self.requests_lock:
            if self.will_close or self.close_when_flushed:
                return False
            if self.requests:  # sent ahead; it was read only to notice whether the client has disconnected
                self._ahead += data
                return True
            while data and not self.requests:
                data = data[self._parse(data) :]
            self._ahead = data
        self.server.count_buffered(self, arrived)
        return True

    @property
    def buffered_bytes(self) -> int:
        """The bytes of request bodies that are kept, in memory or in a file, until the response has been sent."""
        partial = self.request
        complete: int = sum(request.body_bytes_received for request in tuple(self.requests))
        return complete + (partial.body_bytes_received if partial is not None else 0)

    def _parse(self, data: bytes) -> int:
        request = self.request = self.request or self.parser_class(self.adj)
        consumed: int = request.received(data)
        if request.expect_continue and request.headers_finished and not self.sent_continue:
            self.send_continue()
        if request.completed:
            self.request, self.sent_continue = None, False
            if request.error is not None:
                self._excess = DRAIN_BYTES
            if not request.empty:
                self.requests.append(request)
                self.server.add_task(self)
        return consumed

    def handle_read(self) -> None:
        if not self.draining:
            super().handle_read()
            return
        data = self.recv(65536)  # closes the connection if the client has closed it
        self._excess -= len(data)
        if data and self._excess <= 0:
            self.handle_close()

    def has_unread(self) -> bool:
        """Return whether bytes have arrived that have not been read."""
        with suppress(OSError):
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return False

    # Sending

    def service(self) -> None:
        super().service()
        self.served += 1

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent: int = super().send(data, do_close)
        self.bytes_sent += sent
        return sent

    def handle_write(self) -> None:
        if not (self._excess and self.close_when_flushed) or self.will_close:
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.will_close:
            self.handle_close()
        elif self.connected and not self.total_outbufs_len:
            self._drain()

    def _drain(self) -> None:
        """Read and discard the rest of the request: closing immediately could make the client lose the response."""
        self.close_when_flushed, self._ahead = False, b""
        self.draining = True
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the client has disconnected
            self.handle_close()

    def begin_response(self, request: RequestParser) -> None:
        """Record for which request a thread starts the app."""
        self._responding_to, self._sent_before = request, self.bytes_sent

    def give_up(self) -> None:
        """Respond with 503 instead of waiting for the app, unless its response has begun; then close the connection."""
        with self.outbuf_lock:
            request = self.requests[0] if self.requests else None
            has_begun = request is self._responding_to and self.bytes_sent > self._sent_before
            if request is not None and not has_begun and not self.total_outbufs_len:
                with suppress(OSError):
                    self.socket.send(_response("503 Service Unavailable", SHUTDOWN_MESSAGE, request.path))
        self.handle_close()  # a later response of the app is discarded

    # Time limits

    @property
    def phase(self) -> Phase:
        """Return the phase that the connection is in."""
        if self.draining:
            return Phase.DRAINING
        if self.total_outbufs_len:
            return Phase.RESPONSE
        if self.requests or self._ahead:
            return Phase.WORKING
        request = self.request
        if request is None:
            return Phase.IDLE
        return Phase.BODY if request.headers_finished else Phase.HEAD

    def overdue(self, now: float) -> Phase | None:
        """Return the phase if it has taken too long, or transferred too few bytes, at the monotonic time ``now``."""
        phase = self.phase
        if self.served != self._mark[1]:
            self._served_at = now
        if (phase, self.served) != self._mark:
            self._mark, self.since, self._moved = (phase, self.served), now, self._progress(phase)
            return None
        if phase in (Phase.BODY, Phase.RESPONSE):
            return phase if self._is_slow(phase, now) else None
        if phase is Phase.IDLE:  # counted from the last response, because empty lines would restart the phase
            return phase if now - self._served_at > IDLE_SECONDS else None
        limit = {Phase.HEAD: HEAD_SECONDS, Phase.DRAINING: DRAIN_SECONDS}.get(phase)
        return phase if limit and now - self.since > limit else None

    def _is_slow(self, phase: Phase, now: float) -> bool:
        if now - self.since < WINDOW_SECONDS:
            return False
        before, self._moved = self._moved, self._progress(phase)
        self.since, seconds = now, now - self.since
        return self._moved - before < seconds * BYTES_PER_SECOND

    def _progress(self, phase: Phase) -> int:
        request = self.request
        return request.body_bytes_received if phase is Phase.BODY and request is not None else self.bytes_sent

    def time_out(self, phase: Phase) -> None:
        """Close the connection because of ``phase``, with a 408 response if the client was sending a request."""
        if phase in (Phase.HEAD, Phase.BODY):
            with suppress(OSError):
                self.socket.send(
                    _response("408 Request Timeout", TIMEOUT_MESSAGE, self.request.path if self.request else "")
                )
        self.handle_close()

    def reject_body(self) -> None:
        """Respond with 503 instead of reading the rest of a body, discard what has arrived, and close."""
        request, self.request = self.request, None
        if request is not None:
            with suppress(OSError):
                self.socket.send(_response("503 Service Unavailable", OVERLOAD_MESSAGE, request.path))
            request.close()
        self.handle_close()

    def del_channel(self, map: Any = None) -> None:
        if self.server.active_channels.get(self._fileno) is self:
            self.server.forget(self)
        super().del_channel(map)


def _response(status: str, message: str, path: str) -> bytes:
    """Return a complete response that closes the connection, in the format that clients of ``path`` expect."""
    content_type = "application/json"
    if "/ingest/" in path:
        body = f'{{"error":"{message}"}}'
    elif "/api/" in path:
        body = f'{{"error":"{CODES[int(status[:3])]}","message":"{message}"}}'
    else:
        content_type, body = "text/plain; charset=utf-8", message
    retry = "Retry-After: 5\r\n" if status.startswith("503") else ""
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\n{retry}Content-Type: {content_type}\r\nContent-Length: {len(body)}"
    )
    return f"{head}\r\n\r\n{body}".encode()
