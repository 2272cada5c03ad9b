"""Journal of the requests that the server received, which can also be waited for."""

import base64
import json
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from checkend import clock
from checkend.testing.types import ReceivedRequest

MAX_ENTRIES = 2_000

Result = TypeVar("Result")


@dataclass(slots=True)
class JournalEntry:
    """A request that was received; the fields about its response are filled in later."""

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    key: str
    app: str | None
    received_at: datetime = field(default_factory=clock.now)
    fault: str | None = None
    status: int | None = None
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes | None = None
    finished: bool = False

    @property
    def is_report(self) -> bool:
        """Return whether it was sent to the route for reports."""
        return self.path.rstrip("/") == "/ingest/v1/errors" and self.method == "POST"

    def as_json(self) -> ReceivedRequest:
        """Return the entry as the journal's route does."""
        return {
            "number": self.number,
            "received_at": self.received_at.isoformat(),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "body": _text(self.body),
            "json": self.value(),
            "status": self.status,
            "answer_headers": self.answer_headers,
            "answer": None if self.answer is None else _text(self.answer),
            "fault": self.fault,
            "app": self.app,
        }

    def value(self) -> Any:
        """Return the body as a JSON value, after decompression if needed; None if it is not JSON."""
        try:
            is_gzip = self.headers.get("Content-Encoding", "").lower() == "gzip"
            return json.loads(zlib.decompress(self.body, wbits=31) if is_gzip else self.body)
        except (ValueError, zlib.error, RecursionError):
            return None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(body).decode()


class Journal:
    """The last `MAX_ENTRIES` requests, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=MAX_ENTRIES)
        self._changed = threading.Condition()
        self._changes = 0
        self._closed = False
        self.received = 0
        self._unfinished = 0

    def open(self, **fields: Any) -> JournalEntry:
        """Record a request that has been received."""
        with self._changed:
            self.received += 1
            self._unfinished += 1
            entry = JournalEntry(number=self.received, **fields)
            self._entries.append(entry)
            self._wake()
            return entry

    def finish(self, entry: JournalEntry) -> None:
        """Record that the request has a response, or will not get one."""
        with self._changed:
            if not entry.finished:
                entry.finished = True
                self._unfinished -= 1
            self._wake()

    def since(self, number: int) -> list[JournalEntry]:
        """Return the entries after the one with this number."""
        with self._changed:
            return [entry for entry in self._entries if entry.number > number]

    def forget(self, matches: Callable[[JournalEntry], bool]) -> None:
        """Remove the entries for which ``matches`` is true."""
        with self._changed:
            kept = [entry for entry in self._entries if not matches(entry)]
            self._entries.clear()
            self._entries.extend(kept)

    def wait(self, find: Callable[[], Result | None], seconds: float) -> Result | None:
        """Call ``find`` now, and whenever a request is received or finished, until it returns something.

        Returns None after ``seconds``, or when the journal is closed. Changes are counted before ``find`` is called, so
        that a request received while it runs makes it run again; it also runs once more at the end of the time.
        """
        deadline = time.monotonic() + seconds
        while True:
            with self._changed:
                seen = self._changes
            result = find()
            remaining = deadline - time.monotonic()
            if result is not None or remaining <= 0 or self._closed:
                return result
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._changes != seen or self._closed, remaining)  # type: ignore[misc]  # mypy cannot type the default

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until every request received is finished, for at most ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unfinished or self._closed, seconds)

    def close(self) -> None:
        """End all waits."""
        with self._changed:
            self._closed = True
            self._wake()

    def _wake(self) -> None:
        self._changes += 1
        self._changed.notify_all()
