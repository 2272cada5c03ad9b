"""How many reports an ingestion key may send."""

import math
import threading
import time
from collections.abc import Callable


class RateLimiter:
    """Counts reports per app in the running minute and hour. Kept in memory: a restart begins anew.

    ``per_minute`` and ``per_hour`` are the most that pass in each; ``seconds`` tells the time.
    """

    def __init__(self, per_minute: int, per_hour: int, seconds: Callable[[], float] = time.time) -> None:
        self._limits = ((60, per_minute), (3600, per_hour))
        self._seconds = seconds
        self._counts: dict[int, list[list[int]]] = {}
        self._guard = threading.Lock()

    def take(self, app_id: int) -> int:
        """Count one report of the app: 0 when it may pass, else the whole seconds after which to try again."""
        now = self._seconds()
        with self._guard:
            windows = self._counts.setdefault(app_id, [[0, 0], [0, 0]])
            wait = 0
            for window, (length, limit) in zip(windows, self._limits, strict=True):
                start = int(now // length)
                if window[0] != start:
                    window[:] = [start, 0]
                if window[1] >= limit:
                    wait = max(wait, math.ceil((start + 1) * length - now))
            if not wait:
                for window in windows:
                    window[1] += 1
            return wait
