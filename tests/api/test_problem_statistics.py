"""Facets and occurrences of problems, the tags of an app, and the key of a request."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from checkend.auth.permissions import ALL_PERMISSIONS
from tests.support.api import Api, assert_error
from tests.support.factories import Factory

PROBLEM = "/apps/shop/problems/1"


@pytest.fixture
def report(client: FlaskClient, make: Factory) -> Callable[..., Any]:
    """Provide a function that reports an error to the app "Shop"."""
    key = make.app()["ingestion_key"]

    def send(at: str = "2026-11-24T08:30:00Z", message: str = "boom", **context: Any) -> Any:
        error = {"class": "E", "message": message, "backtrace": ["/srv/a.py:1 in f"], "occurred_at": at}
        body = {"error": error, "context": context, "user": {"id": context.get("user_id")}}
        response = client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": key})
        assert response.status_code == 201
        return response.get_json()

    return send


def test_facets_are_the_values_of_all_reports(api: Api, report: Callable[..., Any]) -> None:
    report(environment="production", revision="1.4.2", user_id="7")
    report(environment="production", revision="1.4.2", user_id="8")
    report(environment="staging", hostname="web-1")
    assert api.get(f"{PROBLEM}/facets").get_json() == {
        "environment": [{"value": "production", "count": 2}, {"value": "staging", "count": 1}],
        "release": [{"value": "1.4.2", "count": 2}],
        "host": [{"value": "web-1", "count": 1}],
        "user": [{"value": "7", "count": 1}, {"value": "8", "count": 1}],
        "url": [],
    }


def test_values_beyond_the_limit_are_counted_together(api: Api, report: Callable[..., Any]) -> None:
    for number in range(52):
        report(revision=f"1.{number}")
    values = api.get(f"{PROBLEM}/facets").get_json()["release"]
    assert len(values) == 51
    assert values[-1] == {"value": None, "count": 2}


def test_occurrences_are_counted_by_hour_and_by_day(api: Api, report: Callable[..., Any]) -> None:
    for at in ("2026-11-23T22:10:00Z", "2026-11-24T08:01:00Z", "2026-11-24T08:59:00Z"):
        report(at)
    since = {"date_from": "2026-11-01"}
    assert api.get(f"{PROBLEM}/occurrences", **since).get_json() == [
        {"at": "2026-11-23T22:00:00Z", "count": 1},
        {"at": "2026-11-24T08:00:00Z", "count": 2},
    ]
    assert api.get(f"{PROBLEM}/occurrences", interval="day", **since).get_json() == [
        {"at": "2026-11-23T00:00:00Z", "count": 1},
        {"at": "2026-11-24T00:00:00Z", "count": 2},
    ]
    later = api.get(f"{PROBLEM}/occurrences", date_from="2026-11-24T08:59:00Z").get_json()
    assert later == [{"at": "2026-11-24T08:00:00Z", "count": 2}]
    assert_error(api.get(f"{PROBLEM}/occurrences", interval="week"), 422, "interval must be one of hour, day.")


def test_the_tags_of_an_app_have_the_number_of_their_problems(api: Api, make: Factory) -> None:
    shop, blog = make.app()["id"], make.app(name="Blog")["id"]
    ids = [make.problem(shop, error_class=f"E{number}") for number in range(3)]
    other = make.problem(blog)
    api.post(f"/apps/{blog}/problems/{other}/tags", {"name": "checkout"})
    for problem_id, name in ((ids[0], "checkout"), (ids[1], "checkout"), (ids[2], "api")):
        api.post(f"/apps/{shop}/problems/{problem_id}/tags", {"name": name})
    tags = api.get("/apps/shop/tags").get_json()
    assert [(tag["name"], tag["problems_count"]) for tag in tags] == [("api", 1), ("checkout", 2)]
    assert api.get(f"/apps/shop/problems/{ids[0]}/tags").get_json() == [{"id": tags[1]["id"], "name": "checkout"}]


def test_a_key_can_read_about_itself(api: Api, client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> None:
    shown = api.get("/api_key").get_json()
    assert shown["name"] == "test"
    assert shown["permissions"] == list(ALL_PERMISSIONS)
    assert shown["expires_at"] is None
    assert api.headers["Checkend-API-Key"].startswith(shown["prefix"])
    assert "digest" not in shown
    assert "salt" not in shown
    assert Api(client, key_for("tags:read")).get("/api_key").get_json()["permissions"] == ["tags:read"]
    assert_error(Api(client, {}).get("/api_key"), 401, "Missing API key")
