"""Notices contain everything that was sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.api import Api, assert_error, assert_page, assert_times
from tests.support.factories import Factory

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
NOTICES = "/apps/shop/problems/1/notices"
SHAPE = [
    "id",
    "problem_id",
    "error_class",
    "error_message",
    "occurred_at",
    "created_at",
    "updated_at",
    "context",
    "request",
    "user_info",
    "notifier",
    "backtrace",
]


@pytest.fixture(autouse=True)
def shop(make: Factory) -> dict[str, Any]:
    app = make.app("Shop")
    make.app("Other")
    return app


def report(api: Api, key: str, **error: Any) -> dict[str, Any]:
    body = {
        "error": {"class": "ValueError", "message": "bad", **error},
        "context": {"z": 1, "a": {"é": [None, True, 1.5]}},
        "request": {"url": "https://shop.example/", "method": "GET"},
        "user": {"id": "7"},
        "notifier": {"name": "checkend-python", "version": "1.0.0"},
    }
    response = api.client.post("/ingest/v1/errors", headers={"Checkend-Ingestion-Key": key}, json=body)
    assert response.status_code == 201, response.get_data(as_text=True)
    result: dict[str, Any] = response.get_json()
    return result


def test_a_notice_shows_everything_that_was_reported(api: Api, shop: dict[str, Any]) -> None:
    backtrace = ["/app/main.py:3 in main", {"file": "b.js", "line": 7, "method": "f"}, "unreadable"]
    sent = report(api, shop["ingestion_key"], backtrace=backtrace, occurred_at="2024-01-15T10:30:00.5Z")
    shown = api.get(f"{NOTICES}/{sent['id']}").get_json()
    assert list(shown) == SHAPE
    assert_times(shown)
    assert shown["updated_at"] == shown["created_at"]
    assert {name: value for name, value in shown.items() if name not in ("created_at", "updated_at")} == {
        "id": sent["id"],
        "problem_id": sent["problem_id"],
        "error_class": "ValueError",
        "error_message": "bad",
        "occurred_at": "2024-01-15T10:30:00Z",
        "context": {"z": 1, "a": {"é": [None, True, 1.5]}},
        "request": {"url": "https://shop.example/", "method": "GET"},
        "user_info": {"id": "7"},
        "notifier": {"name": "checkend-python", "version": "1.0.0"},
        "backtrace": [
            {"file": "/app/main.py", "line": 3, "method": "main"},
            {"file": "b.js", "line": 7, "method": "f"},
            {"file": "unreadable", "line": 0, "method": "unknown"},
        ],
    }
    assert list(shown["context"]) == ["z", "a"]
    assert assert_page(api.get(NOTICES), 1, 25, 1, 1) == [shown]


def test_a_notice_keeps_its_own_message_beside_its_problems(api: Api, shop: dict[str, Any]) -> None:
    for number in (1, 2):
        report(api, shop["ingestion_key"], message=f"order {number}", fingerprint="same", backtrace=[f"a.py:{number}"])
    shown = assert_page(api.get(NOTICES), 1, 25, 2, 1)
    assert [notice["error_message"] for notice in shown] == ["order 2", "order 1"]


def test_parts_that_were_not_sent_are_empty(api: Api, make: Factory) -> None:
    make.notice(make.problem(1))
    shown = api.get(f"{NOTICES}/1").get_json()
    assert [shown[part] for part in SHAPE[-5:]] == [{}, {}, {}, {}, []]


def test_the_newest_occurrence_comes_first(api: Api, make: Factory) -> None:
    problem_id = make.problem(1)
    micro = timedelta(microseconds=1)
    for offset in (1, 0, 2, 2):
        make.notice(problem_id, NEW_YEAR + offset * micro)
    assert [notice["id"] for notice in assert_page(api.get(NOTICES), 1, 25, 4, 1)] == [4, 3, 1, 2]
    assert [notice["id"] for notice in assert_page(api.get(NOTICES, per_page=3, page=2), 2, 3, 4, 2)] == [2]


@pytest.mark.parametrize(
    ("parameters", "days"),
    [
        ({}, [3, 2, 1]),
        ({"date_from": "2024-01-02"}, [3, 2]),
        ({"date_to": "2024-01-02"}, [2, 1]),
        ({"date_from": "2024-01-02", "date_to": "2024-01-02"}, [2]),
        ({"date_from": "2024-01-01T23:00:01Z"}, [3, 2]),
        ({"date_to": "2024-01-01T23:00:00Z"}, [1]),
    ],
)
def test_notices_are_filtered_by_time(api: Api, make: Factory, parameters: dict[str, str], days: list[int]) -> None:
    problem_id = make.problem(1)
    for day in range(3):
        make.notice(problem_id, NEW_YEAR + timedelta(days=day, hours=23))
    assert [notice["id"] for notice in assert_page(api.get(NOTICES, **parameters), 1, 25, len(days), 1)] == days


@pytest.mark.parametrize("name", ["page", "per_page", "date_from", "date_to"])
def test_an_invalid_value_is_reported(api: Api, make: Factory, name: str) -> None:
    make.problem(1)
    response = api.get(NOTICES, **{name: "x"})
    assert_error(response, 422)
    assert response.get_json()["message"].startswith(f"{name} must be ")


def test_a_notice_of_another_parent_is_not_found(api: Api, make: Factory) -> None:
    make.notice(make.problem(1))
    make.notice(make.problem(1))
    make.notice(make.problem(2))
    for path in (f"{NOTICES}/2", f"{NOTICES}/3", f"{NOTICES}/x", f"{NOTICES}/0"):
        assert_error(api.get(path), 404, "Notice not found.")
    for path in ("/apps/shop/problems/3/notices", "/apps/shop/problems/3/notices/3"):
        assert_error(api.get(path), 404, "Problem not found.")
    assert_error(api.get("/apps/nope/problems/1/notices"), 404, "App not found.")
