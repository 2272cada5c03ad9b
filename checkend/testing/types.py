"""Types of the JSON values in the fixture's responses."""

from typing import Any, TypedDict


class ReceivedRequest(TypedDict):
    """A request as it was received, and the response to it.

    ``status`` and ``answer`` are None until there is a response, and if a fault prevented one. ``fault`` is the fault
    that was applied, ``app`` the slug of the app whose ingestion key the request carried. ``json`` is the body as a
    JSON value, after decompression if needed, or None if it is not JSON.
    """

    number: int
    received_at: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    json: Any
    status: int | None
    answer_headers: dict[str, str]
    answer: str | None
    fault: str | None
    app: str | None


class Access(TypedDict):
    """Data that a test and the program under test need to use an app on the server."""

    url: str
    ingestion_key: str
    api_key: str
    app: str
    env: dict[str, str]
    pid: int
