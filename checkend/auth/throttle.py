"""Slowing down those who guess passwords: tries are counted in memory, by address and by where they come from."""

import ipaddress
import threading
from collections import deque
from datetime import datetime, timedelta

from flask import Flask, current_app, request

from checkend import clock
from checkend.errors import ApiError

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 5
PER_PLACE = 30
MAX_KEYS = 50_000


class Throttle:
    """At most ``limit`` tries a key in `WINDOW`. Safe for any number of threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._tries: dict[str, deque[datetime]] = {}
        self._guard = threading.Lock()

    def take(self, key: str) -> int:
        """Count a try; 0 when it may go on, else for how many seconds none will."""
        now = clock.now()
        with self._guard:
            tries = self._tries.setdefault(key, deque())
            while tries and tries[0] <= now - WINDOW:
                tries.popleft()
            if len(tries) >= self.limit:
                return max(1, int((tries[0] + WINDOW - now).total_seconds()) + 1)
            tries.append(now)
            if len(self._tries) > MAX_KEYS:
                self._drop_old(now)
        return 0

    def forgive(self, key: str) -> None:
        """Forget the tries of ``key``."""
        with self._guard:
            self._tries.pop(key, None)

    def _drop_old(self, now: datetime) -> None:
        self._tries = {key: tries for key, tries in self._tries.items() if tries and tries[-1] > now - WINDOW}
        while len(self._tries) > MAX_KEYS:
            self._tries.pop(next(iter(self._tries)))


class Guesses:
    """The tries to prove who one is, of an app: for an account from a place, and from a place in all."""

    def __init__(self) -> None:
        self._account = Throttle(PER_ACCOUNT)
        self._place = Throttle(PER_PLACE)

    def take(self, account: str) -> None:
        """Count a try of this request for ``account``. Raises `ApiError` 429 when there were too many."""
        wait = max(self._account.take(f"{account} {place()}"), self._place.take(place()))
        if wait:
            minutes = -(-wait // 60)
            raise ApiError(
                429,
                f"There were too many tries. Wait {minutes} {'minute' if minutes == 1 else 'minutes'}, then try again.",
                retry_after=wait,
            )

    def forgive(self, account: str) -> None:
        """The try succeeded: forget those for ``account`` from here."""
        self._account.forgive(f"{account} {place()}")


def register(app: Flask) -> None:
    """Count the guesses made at ``app``."""
    app.extensions["checkend_guesses"] = Guesses()


def guesses() -> Guesses:
    """The `Guesses` of the current app."""
    found: Guesses = current_app.extensions["checkend_guesses"]
    return found


def place() -> str:
    """Where the request comes from: its IPv4 address, or the /64 of its IPv6 address, which one subscriber holds."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return request.remote_addr or ""
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
