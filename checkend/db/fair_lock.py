"""A lock that is acquired in the order of arrival."""

import threading
import time
from collections import deque

# How often, in seconds, a thread that waits with ``withdraw`` checks whether the holder is blocked.
BLOCKED_SECONDS = 0.5


class FairLock:
    """A lock that passes to the thread that has waited longest, so that a busy writer cannot starve the others.

    ``blocked_since`` is set by the holder: the time.monotonic() at which it began to wait for another lock, or None.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()
        self.blocked_since: float | None = None

    def acquire(self, timeout: float, *, withdraw: bool = False) -> bool:
        """Wait for the lock for up to ``timeout`` seconds; return whether it was acquired.

        With ``withdraw``, give up early if the holder is blocked itself, checked every `BLOCKED_SECONDS`.
        """
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        deadline = time.monotonic() + timeout
        while True:
            remaining = max(deadline - time.monotonic(), 0)
            if turn.acquire(timeout=min(remaining, BLOCKED_SECONDS) if withdraw else remaining):
                return True
            if (withdraw and self._is_blocked()) or time.monotonic() >= deadline:
                break
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        # Between the timeout and taking the guard, release() removed this thread from the queue and passed the lock on
        # to it. Returning False would leave the lock acquired with no thread to release it.
        return True

    def _is_blocked(self) -> bool:
        since = self.blocked_since
        return since is not None and time.monotonic() - since > BLOCKED_SECONDS / 5

    def release(self) -> None:
        """Pass the lock to the thread that has waited longest, if any."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False
