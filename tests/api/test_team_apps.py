"""The apps of a team."""

from typing import Any

import pytest

from tests.support.api import Api, assert_error
from tests.support.factories import Factory


@pytest.fixture(autouse=True)
def records(make: Factory) -> None:
    for name in ("Shop", "Blog", "Admin"):
        make.app(name)
    owner = make.user()
    make.team("Core", owner)
    make.team("Other", owner)


@pytest.mark.parametrize("reference", ["shop", 1, "1"])
def test_an_app_is_assigned_by_slug_or_id(api: Api, reference: Any) -> None:
    response = api.post("/teams/core/apps", {"app_id": reference})
    assert (response.status_code, response.get_json()) == (201, {"message": "App assigned to team successfully"})
    assert api.get("/teams/core/apps").get_json() == [api.get("/apps/shop").get_json()]
    assert api.get("/teams/other/apps").get_json() == []


@pytest.mark.parametrize("root", ["app", "team_app"])
def test_an_assignment_may_be_under_a_root_key(api: Api, root: str) -> None:
    assert api.post("/teams/core/apps", {root: {"app_id": "shop"}}).status_code == 201
    assert [app["slug"] for app in api.get("/teams/core/apps").get_json()] == ["shop"]
    assert_error(api.post("/teams/core/apps", {root: {"nmae": "shop"}}), 422, "Unknown field: nmae.")


@pytest.mark.parametrize("reference", [{"id": 1}, {"id": "1"}, {"slug": "shop"}, {"id": 1, "slug": "shop"}])
def test_an_app_may_be_identified_as_the_api_shows_it(api: Api, reference: dict[str, Any]) -> None:
    for team, body in (("core", {"app": reference}), ("other", reference)):
        assert api.post(f"/teams/{team}/apps", body).status_code == 201
        assert [app["slug"] for app in api.get(f"/teams/{team}/apps").get_json()] == ["shop"]


def test_an_app_as_the_api_shows_it_can_be_assigned(api: Api) -> None:
    for app in (api.get("/apps/shop").get_json(), api.post("/apps/blog/regenerate_ingestion_key").get_json()):
        assert api.post("/teams/core/apps", {"app": app}).status_code == 201
    assert len(api.get("/teams/core/apps").get_json()) == 2


def test_an_id_and_a_slug_of_different_apps_are_rejected(api: Api) -> None:
    body = {"app": {"id": 1, "slug": "blog"}}
    assert_error(api.post("/teams/core/apps", body), 422, "The body identifies more than one app.")
    assert api.get("/teams/core/apps").get_json() == []


def test_assigning_an_app_twice_is_not_an_error(api: Api) -> None:
    for _ in range(2):
        assert api.post("/teams/core/apps", {"app_id": "shop"}).status_code == 201
    assert len(api.get("/teams/core/apps").get_json()) == 1


def test_apps_are_listed_by_name(api: Api) -> None:
    for slug in ("shop", "blog", "admin"):
        api.post("/teams/core/apps", {"app_id": slug})
    assert [app["name"] for app in api.get("/teams/core/apps").get_json()] == ["Admin", "Blog", "Shop"]


@pytest.mark.parametrize("reference", ["nope", 99, "99", -1])
def test_an_unknown_app_is_reported(api: Api, reference: Any) -> None:
    assert_error(api.post("/teams/core/apps", {"app_id": reference}), 422, "App not found")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "App id can't be blank."),
        ({"app": {}}, "App id can't be blank."),
        ({"app": {"name": "Shop"}}, "App id can't be blank."),
        ({"app": {"slug": ""}}, "Slug can't be blank."),
        ({"app_id": None}, "App id can't be blank."),
        ({"app_id": ["shop"]}, "App id must be an id or a slug."),
        ({"app_id": "shop", "team": 1}, "Unknown field: team."),
    ],
)
def test_an_assignment_must_identify_an_app(api: Api, body: dict[str, Any], message: str) -> None:
    assert_error(api.post("/teams/core/apps", body), 422, message)
    assert api.get("/teams/core/apps").get_json() == []


def test_an_unassigned_app_still_exists(api: Api) -> None:
    for slug in ("shop", "blog"):
        api.post("/teams/core/apps", {"app_id": slug})
    assert api.delete("/teams/core/apps/shop").status_code == 204
    assert api.delete("/teams/core/apps/2").status_code == 204
    assert api.get("/teams/core/apps").get_json() == []
    assert len(api.get("/apps").get_json()) == 3


def test_unassigning_an_app_that_is_not_assigned_is_not_an_error(api: Api) -> None:
    api.post("/teams/core/apps", {"app_id": "shop"})
    for path in ("/teams/other/apps/shop", "/teams/core/apps/blog"):
        assert api.delete(path).status_code == 204
    assert_error(api.delete("/teams/core/apps/nope"), 404, "App not found.")
    assert_error(api.delete("/teams/nope/apps/shop"), 404, "Team not found.")
    assert len(api.get("/teams/core/apps").get_json()) == 1
