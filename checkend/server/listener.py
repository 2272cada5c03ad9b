"""What accepts connections: never more than there is room for, and never so that some clients lock out the others.

At the limit, waitress stops accepting, and so anybody who holds enough connections open keeps everyone else out. Here
a new connection takes the place of one that is only waiting for its client: first of the peer that has the most.
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

ACCEPTS_AT_ONCE = 64
PAUSE_SECONDS = 0.1  # without accepting, when the system has no file descriptor or memory for another connection
SWEEP_SECONDS = 1.0
REPORT_SECONDS = 60.0
RESERVED_DESCRIPTORS = 256  # for the database, the log, and what the process opens otherwise
DESCRIPTORS_EACH = 2  # the socket, and a temporary file for a large body
MIN_CONNECTIONS = 16
BUFFERED_BYTES = 64 * 1024 * 1024  # of request bodies, of all connections; or so many of the largest:
LARGEST_BODIES = 16
BUFFERED_SHARE_OF_ONE_PEER = 0.5
WELL_BELOW = 0.9  # of these limits: as far as bodies are rejected where one is exceeded
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
# In what order connections make room, within a peer the longest waiting first. What the app works on never does.
EVICTION_ORDER = {Phase.DRAINING: 0, Phase.HEAD: 1, Phase.IDLE: 1, Phase.BODY: 3, Phase.RESPONSE: 4}
FULL_RESPONSE = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"

log = logging.getLogger("checkend.serving")


def limit_for_descriptors(wanted: int) -> int:
    """Return how many connections the process can have open, ``wanted`` at most.

    Raises the soft limit on file descriptors towards the hard limit first, as far as needed.
    """
    needed = wanted * DESCRIPTORS_EACH + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        with suppress(OSError, ValueError):  # some systems allow less than their hard limit says
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(hard, needed), hard)
            )
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    possible = max((soft - RESERVED_DESCRIPTORS) // DESCRIPTORS_EACH, MIN_CONNECTIONS)
    if possible < wanted:
        log.warning(
            "only %d connections at once instead of %d: the limit on open files is %d (ulimit -n)",
            possible,
            wanted,
            soft,
        )
    return min(possible, wanted)


def peer_of(host: str) -> str:
    """Return what connections are counted by: the IPv4 address, or the /64 network that an IPv6 client owns."""
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
    """Order connections of one peer by how soon they make room."""
    order = EVICTION_ORDER.get(connection.phase, 9)
    return order + (order == 1 and connection.served > 0), connection.since


class Listener(TcpWSGIServer):  # type: ignore[misc]  # waitress ships no types
    """Accepts at most ``limit`` connections, ``per_peer`` of them from one address (None: as many as there are)."""

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
        self._buffered: Counter[str] = Counter()  # bytes of bodies by peer, too many rather than too few
        self._leaving: list[Connection] = []  # closed, with requests that still wait for a thread
        super().__init__(*args, **kwargs)

    @property
    def connections(self) -> list[Connection]:
        """The connections open at the moment."""
        return list(self.active_channels.values())

    def readable(self) -> bool:
        return bool(self.accepting) and time.monotonic() >= self._paused_until

    def handle_accept(self) -> None:
        self._victims = None
        # Then what has arrived on them is read: a request that is there already must not make room for the next one.
        for _ in range(min(ACCEPTS_AT_ONCE, max(1, self.limit // 4))):
            if not self.accept_one():
                return

    def accept_one(self) -> bool:
        """Take a connection from the backlog; False when there is none, or the system has no room for it."""
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
            return True  # that client has gone already
        self._admit(client, address)
        return True

    def _admit(self, client: socket.socket, address: Any) -> None:
        peer = peer_of(address[0])
        if self.stopping:  # these are the last ones, and few enough
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
        self._closed["rejected, with all others at work"] += 1
        with suppress(OSError):
            client.send(FULL_RESPONSE)
        client.close()

    def _make_room(self, peer: str | None, what: str) -> bool:
        """Close a connection that waits for its client: of ``peer``, or else of whoever has most. False without one."""
        for of_peer in [peer] if peer is not None else [name for name, _ in self._peers.most_common()]:
            victims = self._evictable().get(of_peer)
            if victims:
                victim = victims.pop()
                self._closed[f"{victim.phase.value}, to make room ({what})"] += 1
                victim.handle_close()
                return True
        return False

    def _evictable(self) -> dict[str, list[Connection]]:
        """Return what may be closed, by peer, the first to go last. Kept for the connections accepted at one go."""
        if self._victims is None:
            self._victims = {}
            for connection in sorted(self.connections, key=_eviction_key, reverse=True):
                if connection.phase in EVICTION_ORDER:
                    self._victims.setdefault(connection.peer, []).append(connection)
        return self._victims

    def forget(self, connection: Connection) -> None:
        """Count a connection that closes no more."""
        self._peers[connection.peer] -= 1
        if connection.requests:
            self._leaving.append(connection)

    @property
    def buffer_limit(self) -> int:
        """How many bytes of request bodies all connections may have buffered."""
        body_bytes: int = self.adj.max_request_body_size
        return max(BUFFERED_BYTES, LARGEST_BODIES * body_bytes)

    def count_buffered(self, connection: Connection, size: int) -> None:
        """Count ``size`` bytes that arrived on ``connection``. Beyond the limit, reject bodies that are still arriving.

        A peer may have half of the limit, so that it makes room itself; otherwise the peer that has most does.
        """
        self._buffered[connection.peer] += size
        limit, share = self.buffer_limit, self._buffer_share()
        if self._buffered[connection.peer] <= share and self._buffered.total() <= limit:
            return
        self._count_anew()
        while self._buffered[connection.peer] > share * WELL_BELOW and self._reject_body(connection.peer):
            pass
        while self._buffered.total() > limit * WELL_BELOW:
            if not any(self._reject_body(peer) for peer, _ in self._buffered.most_common()):
                return

    def _buffer_share(self) -> int:
        return self.buffer_limit if self._per_peer is None else int(self.buffer_limit * BUFFERED_SHARE_OF_ONE_PEER)

    def _count_anew(self) -> None:
        self._leaving = [connection for connection in self._leaving if connection.requests]
        self._buffered.clear()
        for connection in (*self.connections, *self._leaving):
            self._buffered[connection.peer] += connection.buffered_bytes

    def _reject_body(self, peer: str) -> bool:
        """Reject the largest body of ``peer`` that is still arriving; False when there is none."""
        arriving = [one for one in self.connections if one.peer == peer and one.phase is Phase.BODY]
        largest = max(arriving, key=lambda one: one.buffered_bytes, default=None)
        if largest is None or not largest.buffered_bytes:
            return False
        self._buffered[peer] -= largest.buffered_bytes
        self._closed["request body, to make room (buffered bytes)"] += 1
        largest.reject_body()
        return True

    def sweep(self) -> None:
        """Close what has waited too long for its client. Works once a second, however often it is called."""
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
        """Log which connections were closed, in one line a minute."""
        if not self._closed or now < self._next_report:
            return
        self._next_report = now + REPORT_SECONDS
        reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(self._closed.items()))
        self._closed.clear()
        log.warning("connections were closed: %s", reasons)

    def stop_listening(self) -> None:
        """Accept what is in the backlog, then nothing more."""
        self.stopping = True
        while self.accepting and self.accept_one():
            pass
        self.accepting = False
        wasyncore.dispatcher.close(self)  # not its own close(), which would close what wakes the main thread, too
