"""API keys that are restricted to apps."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.auth.permissions import APP_PERMISSIONS
from checkend.db.session import db
from checkend.models import ApiKey, App
from tests.support.api import Api, assert_error
from tests.support.factories import Factory


@pytest.fixture(autouse=True)
def apps(make: Factory) -> None:
    """Create three apps with a problem and a notice each."""
    for name in ("Shop", "Blog", "Forum"):
        make.problem(make.app(name)["id"], notices=1)


@pytest.fixture
def api(client: FlaskClient, make: Factory) -> Api:
    """Return a client whose key is restricted to the first two apps."""

    def create() -> str:
        return ApiKey.create("two apps", APP_PERMISSIONS, apps=[db.session.get_one(App, n) for n in (2, 1)])[1]

    return Api(client, {"Checkend-API-Key": make.run(create)})


def test_the_key_describes_its_apps(api: Api, client: FlaskClient, key_for: Any) -> None:
    assert api.get("/api_key").get_json()["app_ids"] == [1, 2]
    assert Api(client, key_for()).get("/api_key").get_json()["app_ids"] is None


def test_lists_leave_other_apps_out(api: Api) -> None:
    assert [app["slug"] for app in api.get("/apps").get_json()] == ["blog", "shop"]
    page = api.get("/problems").get_json()
    assert [problem["app_id"] for problem in page["data"]] == [2, 1]
    assert page["pagination"]["total"] == 2
    assert [problem["app_id"] for problem in api.get("/problems?app=blog").get_json()["data"]] == [2]
    assert [entry["problem"]["app_id"] for entry in api.get("/arrivals?after=0").get_json()["data"]] == [1, 2]


def test_a_filter_does_not_tell_whether_another_app_exists(api: Api) -> None:
    assert_error(api.get("/problems?app=forum"), 422, "app 'forum' was not found.")
    assert_error(api.get("/problems?app=nothing"), 422, "app 'nothing' was not found.")


def test_ids_of_problems_of_another_app_are_not_counted(api: Api) -> None:
    response = api.post("/apps/shop/problems/bulk_resolve", {"problem_ids": [1, 2, 3]})
    assert response.get_json()["count"] == 1


def test_the_slug_of_another_app_is_not_told_apart_from_an_unused_name(api: Api) -> None:
    assert api.patch("/apps/shop", {"name": "Forum"}).get_json()["slug"] == "shop"


def test_a_key_whose_apps_are_deleted_may_use_none(api: Api, make: Factory) -> None:
    for slug in ("shop", "blog"):
        assert api.delete(f"/apps/{slug}").status_code == 204
    assert api.get("/api_key").get_json()["app_ids"] == []
    assert api.get("/apps").get_json() == []
    assert api.get("/problems").get_json()["data"] == []
    assert_error(api.get("/apps/forum"), 404)
    make.app("New")
    assert api.get("/apps").get_json() == []


def test_deleting_the_key_deletes_its_restriction(api: Api, app: Flask, make: Factory) -> None:
    make.run(lambda: db.session.get_one(ApiKey, 1).delete())
    with app.app_context():
        assert db.session.connection().exec_driver_sql("SELECT count(*) FROM api_key_apps").scalar() == 0
