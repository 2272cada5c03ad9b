"""Muting problems in the dashboard."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.models import Problem
from tests.support.factories import Factory
from tests.support.pages import follow, sign_in, submit
from tests.web.test_problems import all_tabs, listed


@pytest.fixture
def shop(make: Factory, client: FlaskClient) -> int:
    """Provide an app with three problems, with a site admin signed in; return the first problem's id."""
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    app_id = make.app("Shop")["id"]
    first, _, _ = (make.problem(app_id, error_class=name) for name in ("Aged", "Busy", "Calm"))
    return first


def done(client: FlaskClient, address: str, fields: dict[str, object]) -> str:
    """Submit a form, and return the page that follows."""
    return follow(client, submit(client, address, fields))


def problem(app: Flask, problem_id: int) -> Problem:
    with app.app_context():
        return db.session.get_one(Problem, problem_id)


def test_a_muted_problem_leaves_the_default_list_and_is_one_click_away(shop: int, client: FlaskClient) -> None:
    assert all_tabs(client, "/problems") == [3, 0, 0, 3]
    page = done(client, f"/problems/{shop}/mute", {"mute": "forever", "reason": "  known <b>  "})
    assert "Muted. The problem keeps counting but sends no notifications." in page
    assert re.search(r"Muted, by <bdi>ada@example\.com</bdi> .* Reason: .*known &lt;b&gt;", page)
    assert f'action="/problems/{shop}/unmute"' in page
    assert sorted(listed(client, "/problems")) == ["Busy", "Calm"]
    assert listed(client, "/problems?status=muted") == ["Aged"]
    assert sorted(listed(client, "/problems?status=all")) == ["Aged", "Busy", "Calm"]
    assert all_tabs(client, "/apps/shop/problems") == [2, 1, 0, 3]
    assert all_tabs(client, "/apps/shop/problems?search=aged") == [0, 1, 0, 1]
    assert "Aged" not in client.get("/").text
    assert "<strong>2</strong> unresolved" in client.get("/").text
    assert "Unmuted." in done(client, f"/problems/{shop}/unmute", {})
    assert all_tabs(client, "/problems") == [3, 0, 0, 3]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"mute": "release"}, "Muted until the next release"),
        ({"mute": "occurrences", "occurrences_occurrences": "41"}, "Muted for 41 more occurrences"),
        ({"mute": "occurrences", "occurrences_occurrences": "1"}, "Muted for 1 more occurrence"),
        (
            {"mute": "rate", "rate_occurrences": "1500", "rate_within_minutes": "10"},
            "Muted until it occurs 1,500 times within 10 minutes",
        ),
        ({"mute": "time", "time_until": "2999-12-24T08:00"}, "Muted until 24 Dec 2999, 08:00 UTC"),
    ],
)
def test_the_page_and_the_list_say_when_a_mute_ends(
    form: dict[str, object], text: str, shop: int, client: FlaskClient
) -> None:
    assert text in done(client, f"/problems/{shop}/mute", form)
    assert text in client.get("/problems?status=muted").text
    assert text.lower() in client.get(f"/problems/{shop}/markdown").text


@pytest.mark.parametrize(("choice", "hours"), [("1h", 1), ("1d", 24), ("7d", 168)])
def test_a_mute_can_last_for_a_while(choice: str, hours: int, shop: int, client: FlaskClient, app: Flask) -> None:
    before = clock.now()
    done(client, f"/problems/{shop}/mute", {"mute": choice})
    until = problem(app, shop).muted_until
    assert until is not None
    assert before <= until - timedelta(hours=hours) <= clock.now()


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "Choose how long to mute."),
        ({"mute": "always"}, "Choose how long to mute."),
        ({"mute": "time", "time_until": ""}, "The time must be a date or a time"),
        ({"mute": "time", "time_until": "2024-01-15T10:30"}, "must be in the future."),
        ({"mute": "occurrences", "occurrences_occurrences": "0"}, "The number of occurrences must be a whole number"),
        ({"mute": "rate", "rate_occurrences": "5"}, "The number of minutes must be a whole number from 1 to 1,440."),
        ({"mute": "1h", "reason": "x" * 501}, "The reason must be at most 500 characters."),
    ],
)
def test_invalid_terms_are_explained_and_change_nothing(
    form: dict[str, object], message: str, shop: int, client: FlaskClient, app: Flask
) -> None:
    assert message in done(client, f"/problems/{shop}/mute", form)
    assert not problem(app, shop).muted


def test_several_problems_are_muted_and_unmuted_in_the_list(shop: int, client: FlaskClient) -> None:
    ids = [str(shop), str(shop + 1)]
    page = done(client, "/problems", {"action": "mute", "mute": "7d", "id": ids})
    assert "Muted 2 problems." in page
    assert all_tabs(client, "/problems") == [1, 2, 0, 3]
    page = done(client, "/problems", {"action": "mute", "mute": "forever", "scope": "all"})
    assert "Muted 1 problem." in page
    page = done(client, "/problems?status=muted", {"action": "unmute", "scope": "all"})
    assert "Unmuted 3 problems." in page
    assert all_tabs(client, "/problems") == [3, 0, 0, 3]
    assert "Choose how long to mute." in done(client, "/problems", {"action": "mute", "id": ids})


def test_a_problem_that_occurred_again_says_so(shop: int, client: FlaskClient, make: Factory) -> None:
    with make.writing() as session:
        session.get_one(Problem, shop).regressed_at = datetime(2026, 11, 20, tzinfo=UTC)
    assert "Had been resolved, and occurred again" in client.get(f"/problems/{shop}").text


def test_only_members_who_may_resolve_may_mute(shop: int, client: FlaskClient, make: Factory) -> None:
    viewer = make.user("viewer@example.com")
    team = make.team("Core")
    make.join(team, viewer, "viewer")
    make.assign(team, 1)
    other = client.application.test_client()
    sign_in(other, "viewer@example.com")
    page = other.get(f"/problems/{shop}").text
    assert "/mute" not in page
    assert submit(other, f"/problems/{shop}/mute", {"mute": "forever"}).status_code == 403
