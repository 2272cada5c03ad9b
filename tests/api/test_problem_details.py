"""What the API derives from the reports of a problem: culprit, level, environments and releases."""

import itertools
from typing import Any

import pytest
from flask import Flask

from checkend.app import create_app
from checkend.models import ApiKey
from checkend.services import services
from tests.support.api import Api
from tests.support.factories import Factory

PROBLEMS = "/apps/shop/problems"
LINES = itertools.count(1)  # a report with another line is stored, not counted as a duplicate


def report(api: Api, key: str, error: str = "E", **context: Any) -> dict[str, Any]:
    """Report an error; return its problem."""
    occurred_at = context.pop("occurred_at", None)
    body = {
        "error": {"class": error, "message": str(context), "backtrace": [f"/srv/shop/{error}.py:{next(LINES)} in pay"]},
        "context": context,
    }
    body["error"] |= {"occurred_at": occurred_at} if occurred_at else {}
    response = api.client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": key})
    assert response.status_code == 201, response.text
    shown: dict[str, Any] = api.get(f"{PROBLEMS}/{response.get_json()['problem_id']}").get_json()
    return shown


@pytest.fixture
def key(make: Factory) -> str:
    return str(make.app("Shop")["ingestion_key"])


def test_the_culprit_is_the_location_in_the_code(api: Api, key: str) -> None:
    assert "pay" in report(api, key)["culprit"]


def test_the_level_is_that_of_the_latest_notice(api: Api, key: str) -> None:
    assert report(api, key)["level"] == "error"
    assert report(api, key, severity="warn")["level"] == "warning"
    assert report(api, key, level="fatal", occurred_at="2020-01-01T00:00:00Z")["level"] == "warning"
    assert report(api, key, severity="warn", host="other")["level"] == "warning"
    assert report(api, key, level="debug")["level"] == "debug"


def test_a_new_level_alone_does_not_index_the_message_again(app: Flask, api: Api, key: str, make: Factory) -> None:
    body = {"error": {"class": "E", "message": "same", "backtrace": ["a.py:1 in a"]}}
    headers = {"Checkend-Ingestion-Key": key}
    api.client.post("/ingest/v1/errors", json=body, headers=headers)
    body["error"]["backtrace"] = ["a.py:2 in a"]
    api.client.post("/ingest/v1/errors", json=body | {"context": {"level": "info"}}, headers=headers)
    (problem,) = api.get(PROBLEMS).get_json()["data"]
    assert (problem["level"], problem["notices_count"]) == ("info", 2)
    with make.writing() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM problems WHERE search_pending").scalar() == 0


def test_environments_are_listed_by_name(api: Api, key: str) -> None:
    for name in ("staging", "production", "staging"):
        shown = report(api, key, environment=name)
    assert shown["environments"] == ["production", "staging"]


def test_releases_are_in_the_order_in_which_the_app_first_reported_from_them(api: Api, key: str, make: Factory) -> None:
    assert report(api, key)["first_release"] is None
    for name in ("1.9", "1.10", "1.11"):
        report(api, key, "Other", revision=name)
    make.app("Same releases")
    for name in ("1.11", "1.9"):
        shown = report(api, key, revision=name)
    assert (shown["first_release"], shown["last_release"]) == ("1.9", "1.11")
    shown = report(api, key, revision="1.8")  # a release is as new as its first report
    assert (shown["first_release"], shown["last_release"]) == ("1.9", "1.8")
    listed = {problem["id"]: problem for problem in api.get("/problems").get_json()["data"]}
    assert listed[shown["id"]] == shown
    assert len(listed) == 2


def test_the_releases_of_another_app_do_not_count(api: Api, make: Factory) -> None:
    other, shop = make.app("Other")["ingestion_key"], make.app("Shop")["ingestion_key"]
    body = {"error": {"class": "E"}, "context": {"revision": "2"}}
    for revision in ("2", "1"):
        body["context"]["revision"] = revision
        api.client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": other})
    for revision in ("1", "2"):
        shown = report(api, shop, revision=revision)
    assert (shown["first_release"], shown["last_release"]) == ("1", "2")


def test_the_url_is_that_of_the_setting_or_of_the_request(tmp_path: Any, api: Api, key: str) -> None:
    shown = report(api, key)
    assert shown["url"] == f"http://localhost/problems/{shown['id']}"
    app = create_app({"URL": "https://errors.example.com/app"}, instance_path=tmp_path / "instance")
    make = Factory(app)
    problem = make.problem(make.app("Shop")["id"])
    value = make.run(lambda: ApiKey.create("test", ["problems:read"])[1])
    response = app.test_client().get("/app/api/v1/problems", headers={"Checkend-API-Key": value})
    assert response.get_json()["data"][0]["url"] == f"https://errors.example.com/app/problems/{problem}"
    services(app).close()
