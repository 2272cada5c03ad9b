"""Muting problems through the API."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from checkend import clock
from checkend.db import integrity
from checkend.db.schema import database_path
from checkend.db.session import db
from checkend.models import App, Problem
from checkend.models.selection import delete_problems
from tests.support.api import Api, assert_error
from tests.support.factories import Factory

PROBLEM = "/apps/shop/problems/1"
MANY = "/apps/shop/problems"


@pytest.fixture(autouse=True)
def records(make: Factory) -> None:
    """Create three problems of the shop, and one of another app."""
    make.app("Shop")
    make.app("Other")
    for _ in range(3):
        make.problem(1)
    make.problem(2)


def row(app: Flask, problem_id: int = 1) -> Problem:
    with app.app_context():
        return db.session.get_one(Problem, problem_id)


def counts(app: Flask) -> tuple[int, int]:
    """Return the counts of unresolved and of muted problems of the shop, after comparing all with the rows."""
    assert integrity.find_wrong_counters(database_path(Path(app.instance_path))) == []
    with app.app_context():
        shop = db.session.get_one(App, 1)
        return shop.unresolved_problems_count, shop.muted_problems_count


def test_a_problem_is_muted_until_it_is_unmuted(api: Api, app: Flask) -> None:
    muted = api.post(f"{PROBLEM}/mute", {}).get_json()
    assert (muted["status"], muted["muted"], muted["muted_until"], muted["mute_reason"]) == (
        "unresolved",
        True,
        None,
        None,
    )
    assert muted["updated_at"] >= muted["created_at"]
    assert api.get(PROBLEM).get_json() == muted
    assert counts(app) == (3, 1)
    assert row(app).muted_by == "API key 1 (test, " + api.headers["Checkend-API-Key"][:14] + ")"
    assert api.post(f"{PROBLEM}/mute", {}).status_code == 200
    assert counts(app) == (3, 1)
    for _ in range(2):
        unmuted = api.post(f"{PROBLEM}/unmute").get_json()
        assert (unmuted["muted"], unmuted["status"]) == (False, "unresolved")
        assert counts(app) == (3, 0)
    assert row(app).muted_by is None


def test_the_terms_are_stored_and_replace_earlier_ones(api: Api, app: Flask) -> None:
    until = (clock.now() + timedelta(days=1)).replace(microsecond=0)
    body = {"until": until.isoformat(), "occurrences": 100, "until_release": True, "reason": "  the outage  "}
    shown = api.post(f"{PROBLEM}/mute", body).get_json()
    assert (shown["muted_until"], shown["mute_reason"]) == (clock.iso(until), "the outage")
    problem = row(app)
    assert problem.mute_total == problem.occurrences + 100
    assert (problem.mute_rate, problem.mute_until_release) == (None, True)
    api.post(f"{PROBLEM}/mute", {"occurrences": 50, "within_minutes": 5})
    problem = row(app)
    assert (problem.muted_until, problem.mute_reason, problem.mute_total) == (None, None, None)
    assert (problem.mute_rate, problem.mute_rate_minutes, problem.mute_until_release) == (50, 5, False)
    assert counts(app) == (3, 1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"until": "yesterday"}, "until must be a date or a time, such as 2024-01-15 or 2024-01-15T10:30:00Z."),
        ({"until": "2024-01-15"}, "'until' must be in the future."),
        ({"until": "9999-12-31T23:59:59-14:00"}, "'until' must be before the year 10000 in UTC."),
        ({"occurrences": 0}, "occurrences must be a whole number from 1 to 1,000,000,000."),
        ({"occurrences": "5"}, "occurrences must be a whole number from 1 to 1,000,000,000."),
        ({"occurrences": None}, "occurrences must be a whole number from 1 to 1,000,000,000."),
        ({"occurrences": 5, "within_minutes": 1441}, "within_minutes must be a whole number from 1 to 1,440."),
        ({"within_minutes": 5}, "within_minutes needs occurrences."),
        ({"until_release": "next"}, "until_release must be true or false."),
        ({"reason": "x" * 501}, "reason must be at most 500 characters."),
        ({"reason": 5}, "reason must be text."),
        ({"forever": True}, "Unknown field: forever."),
    ],
)
@pytest.mark.parametrize("action", ["1/mute", "bulk_mute"])
def test_invalid_terms_change_nothing(body: dict[str, Any], message: str, action: str, api: Api, app: Flask) -> None:
    ids = {"problem_ids": [1]} if action == "bulk_mute" else {}
    assert_error(api.post(f"{MANY}/{action}", body | ids), 422, message)
    assert counts(app) == (3, 0)


def test_resolving_ends_a_mute_and_a_resolved_problem_cannot_be_muted(api: Api, app: Flask) -> None:
    api.post(f"{PROBLEM}/mute", {"until_release": True})
    resolved = api.post(f"{PROBLEM}/resolve").get_json()
    assert (resolved["status"], resolved["muted"]) == ("resolved", False)
    assert counts(app) == (2, 0)
    assert_error(api.post(f"{PROBLEM}/mute", {}), 422, "A resolved problem cannot be muted. Reopen it first.")
    assert api.post(f"{PROBLEM}/unresolve").get_json()["muted"] is False
    assert counts(app) == (3, 0)


def test_several_problems_are_muted_but_not_resolved_ones_or_those_of_another_app(api: Api, app: Flask) -> None:
    api.post(f"{MANY}/3/resolve")
    response = api.post(f"{MANY}/bulk_mute", {"problem_ids": [1, 2, 3, 4, 99], "reason": "migration"})
    assert response.get_json() == {"message": "2 problem(s) muted", "count": 2}
    assert counts(app) == (2, 2)
    assert api.get("/apps/other/problems/4").get_json()["muted"] is False
    assert api.get(f"{MANY}/2").get_json()["mute_reason"] == "migration"
    response = api.post(f"{MANY}/bulk_unmute", {"problem_ids": [1, 2, 4]})
    assert response.get_json() == {"message": "2 problem(s) unmuted", "count": 2}
    assert counts(app) == (2, 0)


def test_lists_show_muted_problems_unless_they_are_filtered(api: Api) -> None:
    api.post(f"{PROBLEM}/mute", {})
    api.post(f"{MANY}/3/resolve")

    def listed(**query: str) -> list[int]:
        page = api.get(MANY, **query).get_json()
        assert page["pagination"]["total"] == len(page["data"])
        return sorted(problem["id"] for problem in page["data"])

    assert listed() == [1, 2, 3]
    assert listed(status="unresolved") == [1, 2]
    assert listed(muted="true") == [1]
    assert listed(muted="false") == [2, 3]
    assert listed(muted="false", status="unresolved") == [2]
    assert listed(muted="true", status="resolved") == []
    assert listed(muted="true", date_from="2000-01-01") == [1]
    assert_error(api.get(MANY, muted="1"), 422, "muted must be true or false.")


def test_deleting_a_muted_problem_keeps_the_counts_right(api: Api, app: Flask, make: Factory) -> None:
    api.post(f"{MANY}/bulk_mute", {"problem_ids": [1, 2]})
    with make.writing():
        delete_problems([1])
    assert counts(app) == (2, 1)
