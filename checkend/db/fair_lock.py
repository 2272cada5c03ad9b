"""A lock that whoever has waited longest gets next."""

import threading
import time
from collections import deque

# With ``withdraw``, after how many seconds, or a multiple of them, a blocked holder is no longer waited for.
BLOCKED_SECONDS = 0.5


class FairLock:
    """A lock that is handed to whoever waited longest, so that a busy writer cannot starve the others.

    ``blocked_since`` is when its holder began to wait for something else, by time.monotonic(); None while it does not.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()
        self.blocked_since: float | None = None

    def acquire(self, timeout: float, *, withdraw: bool = False) -> bool:
        """Wait up to ``timeout`` seconds; False when the lock did not become free in that time.

        With ``withdraw``, also False after `BLOCKED_SECONDS` or a multiple of them, if the holder is blocked then.
        """
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        until = time.monotonic() + timeout
        while True:
            left = max(until - time.monotonic(), 0)
            if turn.acquire(timeout=min(left, BLOCKED_SECONDS) if withdraw else left):
                return True
            if (withdraw and self._is_blocked()) or time.monotonic() >= until:
                break
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # handed over just as the time ran out

    def _is_blocked(self) -> bool:
        since = self.blocked_since
        return since is not None and time.monotonic() - since > BLOCKED_SECONDS / 5

    def release(self) -> None:
        """Hand the lock to the longest waiting thread, or free it."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False
