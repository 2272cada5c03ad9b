"""The tags of a problem."""

import pytest

from tests.support.api import Api, assert_error
from tests.support.factories import Factory

TAGS = "/apps/shop/problems/1/tags"
RULE = "Tag name must be 1 to 50 letters, digits, hyphens or underscores."


@pytest.fixture(autouse=True)
def records(make: Factory) -> None:
    """Create two problems of the shop, and one of another app."""
    for name in ("Shop", "Other"):
        make.app(name)
    for app_id in (1, 1, 2):
        make.problem(app_id)


def test_tags_are_listed_by_name(api: Api) -> None:
    assert api.get(TAGS).get_json() == []
    made = api.post(TAGS, {"name": "checkout"})
    assert (made.status_code, made.get_json()) == (201, {"id": 1, "name": "checkout"})
    api.post(TAGS, {"tag": {"name": "api"}})
    assert api.get(TAGS).get_json() == [{"id": 2, "name": "api"}, {"id": 1, "name": "checkout"}]


@pytest.mark.parametrize(
    ("name", "normalized"), [("  API ", "api"), ("a_b-9", "a_b-9"), ("x" * 50, "x" * 50), ("-", "-"), ("5", "5")]
)
def test_names_are_trimmed_and_in_lower_case(api: Api, name: str, normalized: str) -> None:
    assert api.post(TAGS, {"name": name}).get_json()["name"] == normalized


@pytest.mark.parametrize("name", ["a b", "é", "a.b", "x" * 51, "a/b", "日本", "a,b", "ß"])
def test_other_characters_are_rejected(api: Api, name: str) -> None:
    assert_error(api.post(TAGS, {"name": name}), 422, RULE)
    assert api.get(TAGS).get_json() == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Name can't be blank."),
        ({"name": " "}, "Name can't be blank."),
        ({"name": None}, "Name can't be blank."),
        ({"name": 5}, "Name must be text."),
        ({"name": "a\x00"}, "Name must not contain control characters."),
        ({"name": "a", "colour": "red"}, "Unknown field: colour."),
    ],
)
def test_a_tag_needs_a_name(api: Api, body: dict[str, object], message: str) -> None:
    assert_error(api.post(TAGS, body), 422, message)


def test_a_tag_is_added_to_a_problem_only_once(api: Api) -> None:
    api.post(TAGS, {"name": "api"})
    assert_error(api.post(TAGS, {"name": " API"}), 422, "Tag already added to this problem")
    assert len(api.get(TAGS).get_json()) == 1


def test_a_tag_is_shared_and_removed_from_one_problem_only(api: Api) -> None:
    second = "/apps/shop/problems/2/tags"
    first_id = api.post(TAGS, {"name": "api"}).get_json()["id"]
    assert api.post(second, {"name": "api"}).get_json()["id"] == first_id
    assert api.delete(f"{TAGS}/{first_id}").status_code == 204
    assert api.get(TAGS).get_json() == []
    assert api.get(second).get_json() == [{"id": 1, "name": "api"}]


def test_a_tag_that_the_problem_does_not_have_is_not_found(api: Api) -> None:
    tag_id = api.post(TAGS, {"name": "api"}).get_json()["id"]
    for path in (f"/apps/shop/problems/2/tags/{tag_id}", f"{TAGS}/99", f"{TAGS}/api", f"{TAGS}/01"):
        assert_error(api.delete(path), 404, "Tag not found.")
    assert len(api.get(TAGS).get_json()) == 1


def test_tags_of_another_apps_problem_are_not_found(api: Api) -> None:
    api.post("/apps/other/problems/3/tags", {"name": "api"})
    path = "/apps/shop/problems/3/tags"
    for response in (api.get(path), api.post(path, {"name": "x"}), api.delete(f"{path}/1")):
        assert_error(response, 404, "Problem not found.")
