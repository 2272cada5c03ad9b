"""The requests that the server received, and waking whoever waits for one."""

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
    """A request received; what concerns its answer is filled in later."""

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
        """Whether it was sent to where reports belong."""
        return self.path.rstrip("/") == "/ingest/v1/errors" and self.method == "POST"

    def as_json(self) -> ReceivedRequest:
        """The entry as the journal shows it."""
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
        """The body as a JSON value, unpacked if need be; None where it is none."""
        try:
            packed = self.headers.get("Content-Encoding", "").lower() == "gzip"
            return json.loads(zlib.decompress(self.body, wbits=31) if packed else self.body)
        except (ValueError, zlib.error, RecursionError):
            return None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(body).decode()


class Journal:
    """The last `MAX_ENTRIES` requests, oldest first. Safe for any number of threads."""

    def __init__(self) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=MAX_ENTRIES)
        self._changed = threading.Condition()
        self._changes = 0
        self._closed = False
        self.received = 0
        self._under_way = 0

    def open(self, **fields: Any) -> JournalEntry:
        """Note a request that has come in."""
        with self._changed:
            self.received += 1
            self._under_way += 1
            entry = JournalEntry(number=self.received, **fields)
            self._entries.append(entry)
            self._wake()
            return entry

    def finish(self, entry: JournalEntry) -> None:
        """Wake those who wait: the request has been answered, or will not be."""
        with self._changed:
            if not entry.finished:
                entry.finished = True
                self._under_way -= 1
            self._wake()

    def since(self, number: int) -> list[JournalEntry]:
        """The entries after the one with this number."""
        with self._changed:
            return [entry for entry in self._entries if entry.number > number]

    def forget(self, concerns: Callable[[JournalEntry], bool]) -> None:
        """Drop the entries for which ``concerns`` holds."""
        with self._changed:
            kept = [entry for entry in self._entries if not concerns(entry)]
            self._entries.clear()
            self._entries.extend(kept)

    def wait(self, look: Callable[[], Result | None], seconds: float) -> Result | None:
        """What ``look`` finds: now, or as soon as a request has come in or been answered; None when the time is up.

        ``look`` is called once at the end too, so that nothing is missed.
        """
        until = time.monotonic() + seconds
        while True:
            with self._changed:
                seen = self._changes
            found = look()
            left = until - time.monotonic()
            if found is not None or left <= 0 or self._closed:
                return found
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._changes != seen or self._closed, left)  # type: ignore[misc]  # mypy cannot type the default

    def wait_until_idle(self, seconds: float) -> None:
        """Until every request received has been answered, or the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way or self._closed, seconds)

    def close(self) -> None:
        """Let everyone go who waits."""
        with self._changed:
            self._closed = True
            self._wake()

    def _wake(self) -> None:
        self._changes += 1
        self._changed.notify_all()
