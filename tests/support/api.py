"""Helpers for tests of the API: a client, and assertions on response envelopes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from checkend.db.session import db
from checkend.server.error_handlers import CODES

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Api:
    """A client for ``/api/v1`` that sends the headers of one key."""

    def __init__(self, client: FlaskClient, headers: dict[str, str]) -> None:
        self.client, self.headers = client, headers

    def call(self, method: str, path: str, json: Any = None, **options: Any) -> TestResponse:
        if json is not None:
            options["json"] = json
        return self.client.open(f"/api/v1{path}", method=method, headers=self.headers, **options)

    def get(self, path: str, **parameters: Any) -> TestResponse:
        return self.call("GET", path, query_string=parameters or None)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, json, **options)

    def patch(self, path: str, json: Any = None) -> TestResponse:
        return self.call("PATCH", path, json)

    def put(self, path: str, json: Any = None) -> TestResponse:
        return self.call("PUT", path, json)

    def delete(self, path: str) -> TestResponse:
        return self.call("DELETE", path)


def assert_error(response: TestResponse, status: int, *messages: str) -> None:
    """Assert that ``response`` is an error with ``status`` and, if given, exactly these ``messages``."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/json"
    body = response.get_json()
    assert body["error"] == CODES[status]
    assert isinstance(body["message"], str)
    assert body["message"]
    assert set(body) == ({"error", "message", "messages"} if status == 422 else {"error", "message"})
    if status == 422:
        assert body["message"] == " ".join(body["messages"])
    if messages:
        assert body.get("messages", [body["message"]]) == list(messages)


def assert_page(response: TestResponse, page: int, per_page: int, total: int, total_pages: int) -> list[Any]:
    """Assert that ``response`` is a page with these numbers; return its data."""
    assert response.status_code == 200, response.get_data(as_text=True)
    body = response.get_json()
    assert set(body) == {"data", "pagination"}
    expected = {"page": page, "per_page": per_page, "total": total, "total_pages": total_pages}
    assert body["pagination"] == expected
    rows: list[Any] = body["data"]
    return rows


def assert_times(shape: dict[str, Any]) -> None:
    """Assert that every time in ``shape`` is in UTC, has whole seconds and ends in Z."""
    times = {name: value for name, value in shape.items() if name.endswith("_at") and value is not None}
    assert times
    for name, value in times.items():
        assert TIME.fullmatch(value), (name, value)


@contextmanager
def counting(app: Flask) -> Iterator[list[str]]:
    """Record the SQL statements that the block executes."""
    statements: list[str] = []

    def record(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", record)
