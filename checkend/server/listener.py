"""The listening socket: accept at most a fixed number of connections, and let no client lock out the others.

At its limit, waitress stops accepting, so whoever keeps enough connections open locks out everyone else. Here a new
connection replaces one that is only waiting for its client, preferably one of the peer that has the most.
"""

import errno
import ipaddress
import logging
import resource
import socket
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from waitress import wasyncore
from waitress.server import TcpWSGIServer

from checkend.server.connection import Connection, Phase

MAX_ACCEPTS_PER_LOOP = 64
PAUSE_SECONDS = 0.1  # pause in accepting when the system has no file descriptor or memory left
SWEEP_SECONDS = 1.0
REPORT_SECONDS = 60.0
RESERVED_DESCRIPTORS = 256  # for the database, the log and other files
DESCRIPTORS_PER_CONNECTION = 2  # the socket, and a temporary file for a large body
MIN_CONNECTIONS = 16
# The limit on the bytes of request bodies that are buffered for all connections: the larger of these two.
MIN_BUFFER_BYTES = 64 * 1024 * 1024
MIN_BUFFER_BODIES = 16  # bodies of the maximum size
MAX_BUFFER_SHARE_PER_PEER = 0.5
BUFFER_TARGET = 0.9  # When a limit is exceeded, bodies are rejected until this share of it is in use.
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
# The order in which connections make room; within a phase, the one that has waited longest is first. A connection whose
# request the app is processing is never closed.
EVICTION_ORDER = {Phase.DRAINING: 0, Phase.HEAD: 1, Phase.IDLE: 1, Phase.BODY: 3, Phase.RESPONSE: 4}
FULL_RESPONSE = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"

log = logging.getLogger("checkend.serving")


def limit_for_descriptors(wanted: int) -> int:
    """Return how many connections the process can have open, at most ``wanted``.

    If necessary, raise the soft limit on file descriptors first, at most to the hard limit.
    """
    needed = wanted * DESCRIPTORS_PER_CONNECTION + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        with suppress(OSError, ValueError):  # some systems allow less than their hard limit says
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(hard, needed), hard)
            )
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    possible = max((soft - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CONNECTION, MIN_CONNECTIONS)
    if possible < wanted:
        log.warning(
            "at most %d connections at once instead of %d, because the limit on open files is %d (ulimit -n)",
            possible,
            wanted,
            soft,
        )
    return min(possible, wanted)


def peer_of(host: str) -> str:
    """Return the peer of a client IP: the IPv4 address, or the /64 network that an IPv6 client usually owns."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def _eviction_key(connection: Connection) -> tuple[int, float]:
    """Return a key that sorts the connections of one peer: the first makes room first."""
    order = EVICTION_ORDER.get(connection.phase, 9)
    return order + (order == 1 and connection.served > 0), connection.since


class Listener(TcpWSGIServer):  # type: ignore[misc]  # waitress ships no types
    """Accepts at most ``limit`` connections, of which ``per_peer`` may come from one peer (None for no such limit)."""

    accepting: bool

    def __init__(self, *args: Any, limit: int, per_peer: int | None, **kwargs: Any) -> None:
        self.stopping = False
        self.limit = limit
        self._per_peer = per_peer
        self._peers: Counter[str] = Counter()
        self._victims: dict[str, list[Connection]] | None = None
        self._paused_until = 0.0
        self._next_sweep = 0.0
        self._next_report = 0.0
        self._closed: Counter[str] = Counter()
        self._buffered: Counter[str] = Counter()  # bytes of bodies by peer; an upper bound
        self._closing: list[Connection] = []  # closed, but their requests still wait for a thread
        super().__init__(*args, **kwargs)

    @property
    def connections(self) -> list[Connection]:
        """The open connections."""
        return list(self.active_channels.values())

    def readable(self) -> bool:
        return bool(self.accepting) and time.monotonic() >= self._paused_until

    def handle_accept(self) -> None:
        self._victims = None
        # Only some at a time, so that a request that has already arrived is read before its connection could make room.
        for _ in range(min(MAX_ACCEPTS_PER_LOOP, max(1, self.limit // 4))):
            if not self.accept_one():
                return

    def accept_one(self) -> bool:
        """Accept a connection; return False if none is waiting, or the system has no resources for it."""
        try:
            accepted = self.accept()
            if accepted is None:
                return False
            client, address = accepted
            self.set_socket_options(client)
        except OSError as error:
            if error.errno in EXHAUSTED:
                self._make_room(None, "file descriptors")
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                return False
            return True  # the client has disconnected already
        self._admit(client, address)
        return True

    def _admit(self, client: socket.socket, address: Any) -> None:
        peer = peer_of(address[0])
        if self.stopping:  # the rest of the backlog
            admitted = True
        elif self._per_peer is not None and self._peers[peer] >= self._per_peer:
            admitted = self._make_room(peer, "connections of one client")
        elif len(self.active_channels) >= self.limit:
            admitted = self._make_room(None, "connections")
        else:
            admitted = True
        if admitted:
            self._peers[peer] += 1
            Connection(self, client, address, self.adj, map=self._map, peer=peer)
            return
        self._closed["rejected, because all others are busy"] += 1
        with suppress(OSError):
            client.send(FULL_RESPONSE)
        client.close()

    def _make_room(self, peer: str | None, what: str) -> bool:
        """Close a connection that waits for its client; return False if there is none.

        Closes one of ``peer``, or if that is None, of the peer that has the most.
        """
        for of_peer in [peer] if peer is not None else [name for name, _ in self._peers.most_common()]:
            victims = self._evictable().get(of_peer)
            if victims:
                victim = victims.pop()
                self._closed[f"{victim.phase.value}, to make room ({what})"] += 1
                victim.handle_close()
                return True
        return False

    def _evictable(self) -> dict[str, list[Connection]]:
        """Return the connections that may be closed, by peer; the last of each list is closed first.

        The result is cached for the connections accepted in one loop.
        """
        if self._victims is None:
            self._victims = {}
            for connection in sorted(self.connections, key=_eviction_key, reverse=True):
                if connection.phase in EVICTION_ORDER:
                    self._victims.setdefault(connection.peer, []).append(connection)
        return self._victims

    def forget(self, connection: Connection) -> None:
        """Stop counting a connection, because it is being closed."""
        self._peers[connection.peer] -= 1
        if connection.requests:
            self._closing.append(connection)

    @property
    def buffer_limit(self) -> int:
        """The maximum number of bytes of request bodies that are buffered for all connections."""
        body_bytes: int = self.adj.max_request_body_size
        return max(MIN_BUFFER_BYTES, MIN_BUFFER_BODIES * body_bytes)

    def count_buffered(self, connection: Connection, size: int) -> None:
        """Count ``size`` bytes that arrived on ``connection``; beyond the limit, reject bodies that are still arriving.

        A peer that exceeds its own share of the limit makes room itself; otherwise the peer that has the most does.
        """
        self._buffered[connection.peer] += size
        limit = self.buffer_limit
        share = limit if self._per_peer is None else int(limit * MAX_BUFFER_SHARE_PER_PEER)
        if self._buffered[connection.peer] <= share and self._buffered.total() <= limit:
            return
        self._closing = [each for each in self._closing if each.requests]
        self._buffered.clear()
        for each in (*self.connections, *self._closing):
            self._buffered[each.peer] += each.buffered_bytes
        while self._buffered[connection.peer] > share * BUFFER_TARGET and self._reject_body(connection.peer):
            pass
        while self._buffered.total() > limit * BUFFER_TARGET:
            if not any(self._reject_body(peer) for peer, _ in self._buffered.most_common()):
                return

    def _reject_body(self, peer: str) -> bool:
        """Reject the largest body of ``peer`` that is still arriving; return False if there is none."""
        arriving = [each for each in self.connections if each.peer == peer and each.phase is Phase.BODY]
        largest = max(arriving, key=lambda connection: connection.buffered_bytes, default=None)
        if largest is None or not largest.buffered_bytes:
            return False
        self._buffered[peer] -= largest.buffered_bytes
        self._closed["request body, to make room (buffered bytes)"] += 1
        largest.reject_body()
        return True

    def sweep(self) -> None:
        """Close the connections that have waited too long for their clients. Has an effect once a second at most."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        self._peers = Counter(connection.peer for connection in self.connections)
        for connection in self.connections:
            phase = connection.overdue(now)
            if phase is not None:
                connection.time_out(phase)
                if phase is not Phase.IDLE:
                    self._closed[f"{phase.value}, too slow"] += 1
        self._report(now)

    def _report(self, now: float) -> None:
        """Log how many connections were closed and why, at most once a minute."""
        if not self._closed or now < self._next_report:
            return
        self._next_report = now + REPORT_SECONDS
        reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(self._closed.items()))
        self._closed.clear()
        log.warning("connections were closed: %s", reasons)

    def stop_listening(self) -> None:
        """Accept the connections in the backlog, then stop accepting."""
        self.stopping = True
        while self.accepting and self.accept_one():
            pass
        self.accepting = False
        wasyncore.dispatcher.close(
            self
        )  # not super().close(), which would also close the trigger that wakes the main thread
