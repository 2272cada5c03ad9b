"""The part of the client that sends requests: retries, idempotency keys and pages."""

import random
import time
import uuid
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

from checkend.client.connection import Response, ServerConnection

Id = int | str
MAX_PER_PAGE = 100
RETRY_STATUSES = frozenset({429, 502, 503, 504})
# What a server may ask a client to wait with Retry-After, and what the client waits at most without being asked.
MAX_RETRY_AFTER_SECONDS = 60.0
MAX_BACKOFF_SECONDS = 8.0


class ApiError(Exception):
    """The server responded with an error: its status, code and message; for a 422, ``messages`` has one per error."""

    def __init__(self, method: str, path: str, status: int, value: Any) -> None:
        fields = value if isinstance(value, dict) else {}
        self.status = status
        self.code: str = fields.get("error", "")
        self.message: str = fields.get("message", "")
        self.messages: list[str] = fields.get("messages", [])
        super().__init__(f"{method} {path} failed with status {status} {self.code}: {self.message}")


class Caller:
    """Sends requests to the Management API on ``connection``, each repeated up to ``retries`` times."""

    def __init__(self, connection: ServerConnection, retries: int) -> None:
        self._connection, self._retries = connection, retries

    def close(self) -> None:
        """Close the connections; later calls open new ones."""
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout_seconds: float = 40.0,
        idempotency_key: str | None = None,
        **query: Any,
    ) -> Any:
        """Send a request to a path below ``/api/v1``, and return the JSON value of the response.

        For routes and parameters that no other method covers. A POST is sent with ``idempotency_key``, by default a
        random one, so that a retry does not repeat what the server has already done. Raises `ApiError` if the server
        responds with an error, and OSError or http.client.HTTPException if it cannot be reached.
        """
        texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())} if method == "POST" else {}
        for attempt in range(self._retries + 1):
            is_last = attempt == self._retries
            try:
                response = self._connection.request(
                    method, f"/api/v1{path}", body, timeout_seconds=timeout_seconds, headers=headers, **texts
                )
            except (OSError, HTTPException):
                if is_last:
                    raise
                time.sleep(_backoff_seconds(attempt))
                continue
            if response.status < 400:
                return response.value
            if is_last or response.status not in RETRY_STATUSES:
                break
            time.sleep(_seconds_to_wait(response, attempt))
        raise ApiError(method, f"/api/v1{path}", response.status, response.value)

    def _iterate(self, path: str, filters: Any) -> Iterator[Any]:
        """Yield the items of all pages of a list; a page is requested when the first of its items is."""
        number, total_pages = 1, 1
        while number <= total_pages:
            page = self.call("GET", path, **{**filters, "page": number, "per_page": MAX_PER_PAGE})
            yield from page["data"]
            number, total_pages = number + 1, page["pagination"]["total_pages"]


def _seconds_to_wait(response: Response, attempt: int) -> float:
    """Return the seconds that the server asks for in Retry-After, within limits, or else those of the backoff."""
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), MAX_RETRY_AFTER_SECONDS) if asked.isdecimal() else _backoff_seconds(attempt)


def _backoff_seconds(attempt: int) -> float:
    """Return half a second to a second before the first retry, twice that before the second, and so on, up to 8 s."""
    return min(MAX_BACKOFF_SECONDS, 2.0**attempt) * random.uniform(0.5, 1)
