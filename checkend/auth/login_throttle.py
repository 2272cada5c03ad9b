"""Limit guesses of passwords: attempts are counted in memory, by account and client IP and by client IP alone."""

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
    not depend on what clients send. Time is monotonic: setting the clock neither locks anyone out nor frees anyone.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._attempts: OrderedDict[bytes, tuple[float, ...]] = OrderedDict()
        self._guard = threading.Lock()

    def take(self, key: str) -> int:
        """Count an attempt. Return 0 if it is allowed, else the seconds until one is; rejected ones do not count."""
        now, digest = monotonic(), _digest(key)
        with self._guard:
            attempts = tuple(at for at in self._attempts.get(digest, ()) if at > now - WINDOW_SECONDS)
            allowed = len(attempts) < self.limit
            self._attempts[digest] = attempts = (*attempts, now) if allowed else attempts
            self._attempts.move_to_end(digest)
            if len(self._attempts) > MAX_KEYS:
                self._attempts.popitem(last=False)
        return 0 if allowed else max(1, int(attempts[0] + WINDOW_SECONDS - now) + 1)

    def forgive(self, key: str) -> None:
        """Forget the attempts of ``key``."""
        with self._guard:
            self._attempts.pop(_digest(key), None)


def _digest(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class LoginThrottle:
    """The tries to prove who one is, of an app: for an account from a place, and from a place in all."""

    def __init__(self) -> None:
        self._account = AttemptLimiter(PER_ACCOUNT)
        self._place = AttemptLimiter(PER_NETWORK)

    def take(self, account: str) -> None:
        """Count a try of this request for ``account``. Raises `ApiError` 429 when there were too many."""
        # The client IP first: what it rejects leaves no trace of the account, however many accounts are made up.
        if wait := self._place.take(client_network()) or self._account.take(f"{account} {client_network()}"):
            minutes = -(-wait // 60)
            raise ApiError(
                429,
                f"There were too many tries. Wait {minutes} {'minute' if minutes == 1 else 'minutes'}, then try again.",
                retry_after=wait,
            )

    def forgive(self, account: str) -> None:
        """The try succeeded: forget those for ``account`` from here."""
        self._account.forgive(f"{account} {client_network()}")


def login_throttle() -> LoginThrottle:
    """The `LoginThrottle` of the current app."""
    return services().login_throttle


def client_network() -> str:
    """Where the request comes from: its IPv4 address, or the /64 of its IPv6 address, which one subscriber holds.

    An IPv4 client of a socket that listens on IPv6 has an address such as ::ffff:192.0.2.1. They all share one /64, so
    the IPv4 address in it counts.
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
