"""Limits on password attempts, counted in memory by account and client network, and by client network alone."""

import ipaddress
import threading
from collections import OrderedDict
from hashlib import blake2b
from time import monotonic

from flask import request

from checkend.exceptions import ApiError
from checkend.services import services

WINDOW_SECONDS = 15 * 60
PER_ACCOUNT = 5
PER_NETWORK = 30
MAX_KEYS = 20_000


class AttemptLimiter:
    """At most ``limit`` attempts per key in `WINDOW_SECONDS`. Safe for any number of threads.

    Keys are kept as digests, and at most `MAX_KEYS` of them (the least recently used is evicted first), so memory does
    not depend on what clients send. Time is monotonic: changing the system clock neither extends nor ends a wait.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._attempts: OrderedDict[bytes, tuple[float, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> int:
        """Count an attempt. Return 0 if it is allowed, else the seconds until one is; rejected ones do not count."""
        now, digest = monotonic(), _digest(key)
        with self._lock:
            attempts = tuple(at for at in self._attempts.get(digest, ()) if at > now - WINDOW_SECONDS)
            allowed = len(attempts) < self.limit
            self._attempts[digest] = attempts = (*attempts, now) if allowed else attempts
            self._attempts.move_to_end(digest)
            if len(self._attempts) > MAX_KEYS:
                self._attempts.popitem(last=False)
        return 0 if allowed else max(1, int(attempts[0] + WINDOW_SECONDS - now) + 1)

    def forgive(self, key: str) -> None:
        """Forget the attempts of ``key``."""
        with self._lock:
            self._attempts.pop(_digest(key), None)


def _digest(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class LoginThrottle:
    """Limits on failed sign-ins and similar attempts: per account and client network, and per client network."""

    def __init__(self) -> None:
        self._account = AttemptLimiter(PER_ACCOUNT)
        self._network = AttemptLimiter(PER_NETWORK)

    def take(self, account: str) -> None:
        """Count an attempt of this request on ``account``. Raise `ApiError` 429 after too many."""
        # The network comes first: attempts that it rejects do not create entries for accounts, however many are tried.
        if wait := self._network.take(client_network()) or self._account.take(f"{account} {client_network()}"):
            minutes = -(-wait // 60)
            raise ApiError(
                429,
                f"Too many attempts. Try again in {minutes} {'minute' if minutes == 1 else 'minutes'}.",
                retry_after=wait,
            )

    def forgive(self, account: str) -> None:
        """Forget the attempts on ``account`` from the client's network, after one that succeeded."""
        self._account.forgive(f"{account} {client_network()}")


def login_throttle() -> LoginThrottle:
    """Return the `LoginThrottle` of the current app."""
    return services().login_throttle


def client_network() -> str:
    """Return the client's network: its IPv4 address, or the /64 of its IPv6 address, which one subscriber has.

    On a socket that listens on IPv6, IPv4 clients have addresses such as ::ffff:192.0.2.1. These are all in the same
    /64, so the IPv4 address that they contain is used.
    """
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return request.remote_addr or ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
