"""Frames have a column if the backtrace contains one."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.factories import Factory

LINES: list[tuple[Any, int | None]] = [
    ("    at total (https://shop.example/app.js:12:34)", 34),
    ("at async Promise.all (/srv/app.mjs:5:1)", 1),
    ("at https://shop.example/app.js:7:8", 8),
    ("render@https://shop.example/app.js:5:6", 6),
    ("https://shop.example/app.js:9:10", 10),
    ({"file": "a.js", "line": 1, "method": "f", "column": 2}, 2),
    ({"filename": "a.js", "lineno": 1, "function": "f", "colno": "3"}, 3),
    ({"file": "a.rb", "line": 1, "method": "f"}, None),
    ({"file": "a.js", "line": 1, "method": "f", "column": -4}, None),
    ({"file": "a.js", "line": 1, "method": "f", "column": None}, None),
    ("/srv/app.py:10 in run", None),
    ("/srv/app.rb:10:in 'run'", None),
]


@pytest.mark.parametrize(("line", "column"), LINES, ids=[str(line) for line, _ in LINES])
def test_a_frame_has_its_column_or_none(
    client: FlaskClient, make: Factory, key_for: Any, line: Any, column: int | None
) -> None:
    key = make.app()["ingestion_key"]
    body = {"error": {"class": "E", "backtrace": [line]}}
    sent = client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": key}).json
    assert sent is not None
    address = f"/api/v1/apps/shop/problems/{sent['problem_id']}/notices/{sent['id']}"
    (frame,) = (client.get(address, headers=key_for()).json or {})["backtrace"]
    assert frame.get("column") == column
    assert frame.keys() == {"file", "line", "method"} | ({"column"} if column else set())
