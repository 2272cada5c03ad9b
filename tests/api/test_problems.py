"""Problems: their shape, resolving, and bulk actions."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from tests.support.api import Api, assert_error, assert_page, assert_times
from tests.support.factories import Factory

SHAPE = [
    "id",
    "app_id",
    "url",
    "error_class",
    "error_message",
    "fingerprint",
    "culprit",
    "level",
    "status",
    "notices_count",
    "deduplicated_count",
    "first_noticed_at",
    "last_noticed_at",
    "resolved_at",
    "regressed_at",
    "muted",
    "muted_until",
    "mute_reason",
    "created_at",
    "updated_at",
    "environments",
    "first_release",
    "last_release",
    "tags",
]
MANY = "/apps/shop/problems"


@pytest.fixture(autouse=True)
def records(make: Factory) -> None:
    """Create three problems of the shop, and one of another app."""
    make.app("Shop")
    make.app("Other")
    for _ in range(3):
        make.problem(1)
    make.problem(2)


def open_ones(api: Api, app: str = "shop") -> int:
    count: int = api.get(f"/apps/{app}").get_json()["unresolved_problems_count"]
    return count


def test_a_problem_is_shown_with_its_tags(api: Api, make: Factory) -> None:
    now = datetime(2024, 1, 15, 10, 30, 0, 123456, tzinfo=UTC)
    problem_id = make.problem(1, 2, now, error_class="E", error_message="ö\n", deduplicated_count=7)
    api.post(f"{MANY}/{problem_id}/tags", {"name": "b"})
    api.post(f"{MANY}/{problem_id}/tags", {"name": "a"})
    shown = api.get(f"{MANY}/{problem_id}").get_json()
    assert list(shown) == SHAPE
    assert_times(shown)
    created = {"created_at", "updated_at"}
    assert {name: value for name, value in shown.items() if name not in created} == {
        "id": 5,
        "app_id": 1,
        "url": f"http://localhost/problems/{problem_id}",
        "error_class": "E",
        "error_message": "ö\n",
        "fingerprint": shown["fingerprint"],
        "culprit": None,
        "level": None,
        "status": "unresolved",
        "notices_count": 2,
        "deduplicated_count": 7,
        "first_noticed_at": "2024-01-15T10:30:00Z",
        "last_noticed_at": "2024-01-15T10:30:00Z",
        "resolved_at": None,
        "regressed_at": None,
        "muted": False,
        "muted_until": None,
        "mute_reason": None,
        "environments": [],
        "first_release": None,
        "last_release": None,
        "tags": [{"id": 2, "name": "a"}, {"id": 1, "name": "b"}],
    }
    listed = {problem["id"]: problem for problem in assert_page(api.get(MANY), 1, 25, 4, 1)}
    assert listed[problem_id] == shown


def test_resolving_and_reopening_update_the_count_of_unresolved_problems(api: Api) -> None:
    assert open_ones(api) == 3
    resolved = api.post(f"{MANY}/1/resolve").get_json()
    assert (resolved["status"], open_ones(api)) == ("resolved", 2)
    assert_times({"resolved_at": resolved["resolved_at"]})
    again = api.post(f"{MANY}/1/resolve")
    assert (again.status_code, again.get_json(), open_ones(api)) == (200, resolved, 2)
    reopened = api.post(f"{MANY}/1/unresolve").get_json()
    assert (reopened["status"], reopened["resolved_at"], open_ones(api)) == ("unresolved", None, 3)
    assert api.post(f"{MANY}/1/unresolve").get_json() == reopened
    assert (open_ones(api), open_ones(api, "other")) == (3, 1)


def test_resolving_returns_the_problem_with_its_tags(api: Api) -> None:
    api.post(f"{MANY}/1/tags", {"name": "a"})
    assert api.post(f"{MANY}/1/resolve").get_json()["tags"] == [{"id": 1, "name": "a"}]


@pytest.mark.parametrize("path", ["/4", "/4/resolve", "/4/unresolve", "/99", "/x", "/1x", "/0", "/9999999999999999999"])
def test_a_problem_of_another_app_is_not_found(api: Api, path: str) -> None:
    method = "POST" if "resolve" in path else "GET"
    assert_error(api.call(method, MANY + path), 404, "Problem not found.")
    assert api.get("/apps/other/problems/4").get_json()["status"] == "unresolved"


def test_problems_of_an_unknown_app_are_not_found(api: Api) -> None:
    assert_error(api.get("/apps/nope/problems"), 404, "App not found.")
    assert_error(api.get("/apps/nope/problems/1"), 404, "App not found.")


def test_many_can_be_resolved_and_reopened_at_once(api: Api) -> None:
    response = api.post(f"{MANY}/bulk_resolve", {"problem_ids": [1, 2]})
    assert response.status_code == 200
    assert response.get_json() == {"message": "2 problem(s) marked as resolved", "count": 2}
    assert [api.get(f"{MANY}/{n}").get_json()["status"] for n in (1, 2, 3)] == ["resolved", "resolved", "unresolved"]
    assert open_ones(api) == 1
    response = api.post(f"{MANY}/bulk_unresolve", {"problem_ids": ["2", 3]})
    assert response.get_json() == {"message": "2 problem(s) marked as unresolved", "count": 2}
    assert open_ones(api) == 2


def test_ids_that_are_not_the_apps_are_not_counted(api: Api) -> None:
    wanted = [1, 1, 4, 99, -1, 0, 10**30]
    assert api.post(f"{MANY}/bulk_resolve", {"problem_ids": wanted}).get_json()["count"] == 1
    assert (open_ones(api), open_ones(api, "other")) == (2, 1)
    assert api.post(f"{MANY}/bulk_resolve", {"problem_ids": [4, 99]}).get_json() == {
        "message": "0 problem(s) marked as resolved",
        "count": 0,
    }


def test_repeating_it_counts_the_problems_again_and_changes_nothing(api: Api) -> None:
    for _ in range(2):
        assert api.post(f"{MANY}/bulk_resolve", {"problem_ids": [1, 2]}).get_json()["count"] == 2
        assert open_ones(api) == 1


def test_more_ids_than_fit_in_one_statement_are_accepted(api: Api) -> None:
    assert api.post(f"{MANY}/bulk_resolve", {"problem_ids": list(range(100_000))}).get_json()["count"] == 3
    assert open_ones(api) == 0


@pytest.mark.parametrize("body", [{}, {"problem_ids": []}, {"problem_ids": None}])
@pytest.mark.parametrize("action", ["bulk_resolve", "bulk_unresolve"])
def test_at_least_one_id_is_required(api: Api, action: str, body: dict[str, object]) -> None:
    assert_error(api.post(f"{MANY}/{action}", body), 422, "problem_ids is required")


@pytest.mark.parametrize("ids", ["1,2", 1, {"1": 1}, ["x"], [1, None], [True], [1.5], [[1]], ["\u0661"]])
def test_ids_must_be_integers(api: Api, ids: object) -> None:
    assert_error(api.post(f"{MANY}/bulk_resolve", {"problem_ids": ids}), 422, "problem_ids must be a list of ids.")
    assert open_ones(api) == 3


def test_the_write_permission_suffices_to_resolve(client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> None:
    writer = Api(client, key_for("problems:write"))
    assert writer.post(f"{MANY}/1/resolve").status_code == 200
    assert writer.get(f"{MANY}/1").status_code == 403


def test_a_problem_can_be_deleted(api: Api) -> None:
    response = api.delete("/apps/shop/problems/1")
    assert (response.status_code, response.data) == (204, b"")
    assert_error(api.get("/apps/shop/problems/1"), 404)
    assert_error(api.delete("/apps/shop/problems/1"), 404)
    assert sorted(row["id"] for row in api.get("/apps/shop/problems").get_json()["data"]) == [2, 3]
    assert api.get("/apps/shop").get_json()["unresolved_problems_count"] == 2


def test_several_problems_can_be_deleted_but_not_those_of_another_app(api: Api) -> None:
    response = api.post("/apps/shop/problems/bulk_delete", {"problem_ids": [1, 2, 4, 10**19, 1]})
    assert response.get_json() == {"message": "2 problem(s) deleted", "count": 2}
    assert [row["id"] for row in api.get("/apps/shop/problems").get_json()["data"]] == [3]
    assert api.get("/apps/other/problems/4").status_code == 200


def test_several_problems_can_be_tagged_and_untagged(api: Api) -> None:
    api.post("/apps/shop/problems/1/tags", {"name": "urgent"})

    def tagged() -> list[int]:
        return sorted(row["id"] for row in api.get("/apps/shop/problems", tags="urgent").get_json()["data"])

    body = {"problem_ids": [1, 2, 4], "tag": " Urgent "}
    response = api.post("/apps/shop/problems/bulk_tag", body)
    assert response.get_json() == {"message": "2 problem(s) tagged", "count": 2}
    assert tagged() == [1, 2]
    assert api.get("/apps/other/problems/4/tags").get_json() == []
    response = api.post("/apps/shop/problems/bulk_untag", body | {"problem_ids": [2, 3]})
    assert response.get_json() == {"message": "2 problem(s) untagged", "count": 2}
    assert tagged() == [1]
    assert_error(api.post("/apps/shop/problems/bulk_tag", body | {"tag": "no spaces"}), 422)
    assert_error(api.post("/apps/shop/problems/bulk_tag", {"problem_ids": [1, 2, 3]}), 422, "tag can't be blank.")
    assert tagged() == [1]
