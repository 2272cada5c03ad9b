"""What the dashboard can do with apps and users can also be done with the API."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.models import App
from tests.support.api import Api, assert_error
from tests.support.factories import Factory
from tests.support.pages import submit


def test_the_settings_of_an_app_are_those_of_its_page(api: Api, make: Factory) -> None:
    make.app("Shop")
    make.run(lambda: db.session.get_one(App, 1).change(retention_days=7, grouping_off="values wording"))
    shown = api.get("/apps/shop").get_json()
    assert (shown["retention_days"], shown["retention_notices"]) == (7, None)
    assert shown["disabled_grouping_rules"] == ["wording", "values"]
    changed = api.patch("/apps/shop", {"retention_days": None, "disabled_grouping_rules": []}).get_json()
    assert (changed["retention_days"], changed["disabled_grouping_rules"]) == (None, [])
    assert make.run(lambda: db.session.get_one(App, 1).disabled_grouping_rules) == frozenset()


def test_a_grouping_rule_that_is_turned_off_does_not_group(api: Api, make: Factory) -> None:
    headers = {"Checkend-Ingestion-Key": make.app("Shop")["ingestion_key"]}

    def report(word: str) -> int:
        body = {"error": {"class": "E", "message": f"{word} failed", "backtrace": ["app/a.py:1 in pay"]}}
        response = api.client.post("/ingest/v1/errors", json=body, headers=headers)
        return int(response.get_json()["problem_id"])

    assert report("timeout") != report("refused")
    api.patch("/apps/shop", {"disabled_grouping_rules": ["wording"]})
    assert report("denied") == report("missing")


def test_a_test_error_is_reported(api: Api, make: Factory) -> None:
    make.app("Shop")
    first = api.post("/apps/shop/test_error")
    assert (first.status_code, first.get_json()) == (201, {"id": 1, "problem_id": 1, "deduplicated": False})
    assert api.post("/apps/shop/test_error").get_json() == {"id": 1, "problem_id": 1, "deduplicated": True}
    notice = api.get("/apps/shop/problems/1/notices/1").get_json()
    assert notice["error_class"] == "Checkend::TestError"
    assert notice["context"]["sent_from"] == "the API"
    assert notice["user_info"] == {"name": "API key test"}


def test_a_password_link_sets_a_password_once(app: Flask, api: Api, make: Factory) -> None:
    make.user("bob@example.com")
    response = api.post("/users/bob/password_link")
    assert response.status_code == 201
    link = response.get_json()
    expected = clock.iso(clock.now() + timedelta(hours=24))
    assert expected is not None
    assert link["expires_at"][:13] == expected[:13]
    path = link["url"].removeprefix("http://localhost")
    assert re.fullmatch(r"/new-password/\S+", path)
    browser = app.test_client()
    assert submit(browser, path, {"password": "battery staple"}, page=path).status_code == 302
    assert app.test_client().get(path).status_code != 200


def test_a_key_gets_no_password_link_for_a_site_admin(api: Api, make: Factory) -> None:
    make.user("root@example.com", site_admin=True)
    response = api.post("/users/root/password_link")
    assert_error(response, 403)
    assert "site admin" in response.get_json()["message"]


@pytest.fixture
def bob(make: Factory) -> str:
    """Create a user with two apps, in the order of their names Blog and Shop; return the path of the preferences."""
    team = make.team("Core", make.user("bob@example.com"))
    for name in ("Shop", "Blog", "Other"):
        make.app(name)
    for app_id in (1, 2):
        make.assign(team, app_id)
    return "/users/bob/notification_preferences"


def test_preferences_are_those_of_the_account_page(api: Api, bob: str) -> None:
    blog, shop = {"app_id": 2, "app_slug": "blog"}, {"app_id": 1, "app_slug": "shop"}
    assert api.get(bob).get_json() == [blog | {"level": "all"}, shop | {"level": "all"}]
    assert api.patch(f"{bob}/shop", {"level": "new"}).get_json() == shop | {"level": "new"}
    assert api.put(f"{bob}/1", {}).get_json() == shop | {"level": "new"}
    assert api.get(f"{bob}/shop").get_json() == shop | {"level": "new"}
    assert api.get(bob).get_json() == [blog | {"level": "all"}, shop | {"level": "new"}]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"level": "some"}, "Level must be one of all, new, none."),
        ({"level": None}, "Level can't be blank."),
        ({"levels": "all"}, "Unknown field: levels."),
    ],
)
def test_invalid_preferences_are_rejected(api: Api, bob: str, fields: dict[str, Any], message: str) -> None:
    assert_error(api.patch(f"{bob}/shop", fields), 422, message)


def test_an_app_of_none_of_the_users_teams_has_no_preference(api: Api, bob: str) -> None:
    assert_error(api.patch(f"{bob}/other", {"level": "none"}), 404, "The app is in none of the user's teams.")
    assert_error(api.get(f"{bob}/nothing"), 404, "App not found.")


def test_a_change_is_rejected_if_the_preference_has_changed_since(client: FlaskClient, api: Api, bob: str) -> None:
    tag = api.get(f"{bob}/shop").headers["ETag"]
    api.patch(f"{bob}/shop", {"level": "new"})
    api.headers["If-Match"] = tag
    assert_error(api.patch(f"{bob}/shop", {"level": "none"}), 412)
