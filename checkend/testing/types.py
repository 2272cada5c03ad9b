"""The types of what the server in fixture mode responds with."""

from typing import Any, TypedDict


class ReceivedRequest(TypedDict):
    """A request as it came over the wire, and its answer.

    ``status`` and ``answer`` are None while it is not answered, and when a fault left it without an answer.
    ``fault`` names the fault that it met, ``app`` the slug of the app whose ingestion key it carried.
    ``json`` is the body as a JSON value, unpacked if need be; None where it is none.
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
    """All that a program under test, and its test, need of a server."""

    url: str
    ingestion_key: str
    api_key: str
    app: str
    env: dict[str, str]
    pid: int
