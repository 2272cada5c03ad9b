"""Teams."""

from typing import Any

import pytest

from tests.support.api import Api, assert_error, assert_times
from tests.support.factories import Factory


@pytest.fixture(autouse=True)
def users(make: Factory) -> None:
    """Create Ann (1) and Bob (2)."""
    make.user("ann@example.com")
    make.user("bob@example.com")


def roles(api: Api, team: str = "core") -> dict[str, str]:
    """Return the roles of the members by email address."""
    members = api.get(f"/teams/{team}/members").get_json()
    return {member["user"]["email_address"].partition("@")[0]: member["role"] for member in members}


def test_the_owner_of_a_new_team_is_an_admin_member(api: Api) -> None:
    response = api.post("/teams", {"name": "Core", "owner_id": 1})
    assert response.status_code == 201
    team = response.get_json()
    assert_times(team)
    assert list(team) == ["id", "slug", "name", "owner_id", "created_at", "updated_at"]
    assert (team["id"], team["slug"], team["name"], team["owner_id"]) == (1, "core", "Core", 1)
    assert api.get("/teams/core").get_json() == api.get("/teams/1").get_json() == team
    assert roles(api) == {"ann": "admin"}


@pytest.mark.parametrize("reference", [2, "2", "bob"])
def test_the_owner_may_be_identified_by_id_or_slug(api: Api, reference: Any) -> None:
    assert api.post("/teams", {"team": {"name": "Core", "owner_id": reference}}).get_json()["owner_id"] == 2


@pytest.mark.parametrize("reference", [99, 0, -1, 10**30, "nobody", "bob@example.com"])
def test_an_unknown_owner_is_reported(api: Api, reference: Any) -> None:
    assert_error(api.post("/teams", {"name": "Core", "owner_id": reference}), 422, "Owner user not found")
    assert api.get("/teams").get_json() == []


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({}, ["Name can't be blank.", "Owner id can't be blank."]),
        ({"name": "Core"}, ["Owner id can't be blank."]),
        ({"name": "Core", "owner_id": None}, ["Owner id can't be blank."]),
        ({"name": "Core", "owner_id": ""}, ["Owner id can't be blank."]),
        ({"name": "Core", "owner_id": True}, ["Owner id must be an id or a slug."]),
        ({"name": "Core", "owner_id": 1.0}, ["Owner id must be an id or a slug."]),
        ({"name": "Core", "owner_id": [1]}, ["Owner id must be an id or a slug."]),
        ({"name": "Core", "owner_id": "\ud800"}, ["Owner id must be an id or a slug."]),
        ({"name": "x" * 256, "owner_id": 1}, ["Name must be at most 255 characters."]),
        ({"name": "Core", "owner_id": 1, "colour": 1}, ["Unknown field: colour."]),
    ],
)
def test_each_error_is_reported(api: Api, body: dict[str, Any], messages: list[str]) -> None:
    assert_error(api.post("/teams", body), 422, *messages)


def test_the_newest_team_comes_first(api: Api) -> None:
    for name in ("One", "Two", "Two"):
        api.post("/teams", {"name": name, "owner_id": 1})
    assert [team["slug"] for team in api.get("/teams").get_json()] == ["two-1", "two", "one"]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_team_is_renamed_and_keeps_its_slug(api: Api, method: str) -> None:
    api.post("/teams", {"name": "Core", "owner_id": 1})
    changed = api.call(method, "/teams/core", {"name": "Platform"}).get_json()
    assert (changed["name"], changed["slug"], changed["owner_id"]) == ("Platform", "core", 1)
    assert_error(api.call(method, "/teams/core", {"name": ""}), 422, "Name can't be blank.")


def test_a_transfer_makes_the_new_owner_an_admin(api: Api) -> None:
    api.post("/teams", {"name": "Core", "owner_id": 1})
    assert api.patch("/teams/core", {"owner_id": 2}).get_json()["owner_id"] == 2
    assert roles(api) == {"ann": "admin", "bob": "admin"}


@pytest.mark.parametrize(("before", "after"), [("viewer", "admin"), ("owner", "owner"), ("admin", "admin")])
def test_a_transfer_to_a_member_makes_that_member_an_admin(api: Api, before: str, after: str) -> None:
    api.post("/teams", {"name": "Core", "owner_id": 1})
    api.post("/teams/core/members", {"user_id": 2, "role": before})
    api.put("/teams/core", {"owner_id": 2})
    assert roles(api) == {"ann": "admin", "bob": after}


def test_a_transfer_to_an_unknown_user_changes_nothing(api: Api) -> None:
    api.post("/teams", {"name": "Core", "owner_id": 1})
    assert_error(api.patch("/teams/core", {"name": "New", "owner_id": 99}), 422, "Owner user not found")
    team = api.get("/teams/core").get_json()
    assert (team["name"], team["owner_id"]) == ("Core", 1)


def test_sending_a_response_back_changes_nothing(api: Api) -> None:
    api.post("/teams", {"name": "Core", "owner_id": 1})
    api.post("/teams/core/members", {"user_id": 2, "role": "admin"})
    api.delete("/teams/core/members/1")
    team = api.get("/teams/core").get_json()
    assert api.patch("/teams/core", team).get_json() == team
    assert api.put("/teams/core", {"team": team | {"slug": "x"}}).get_json() == team
    assert roles(api) == {"bob": "admin"}


def test_deleting_a_team_keeps_its_users_and_apps(api: Api, make: Factory) -> None:
    make.app("Shop")
    api.post("/teams", {"name": "Core", "owner_id": 1})
    api.post("/teams/core/members", {"user_id": 2})
    api.post("/teams/core/apps", {"app_id": "shop"})
    assert api.delete("/teams/core").status_code == 204
    assert_error(api.get("/teams/core"), 404, "Team not found.")
    assert (len(api.get("/users").get_json()), len(api.get("/apps").get_json())) == (2, 1)
    assert api.delete("/users/bob").status_code == 204


def test_an_unknown_team_is_not_found(api: Api) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/apps"), ("GET", "/members")):
        assert_error(api.call(method, f"/teams/nope{path}", {"name": "x"}), 404, "Team not found.")
