"""Lists that are open stay current: the request that they poll with, and the pill that it shows."""

from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.factories import Factory
from tests.support.pages import sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

ERROR = {"class": "LateError", "message": "It broke.", "backtrace": ["/srv/late.py:1 in late"]}


@pytest.fixture
def key(make: Factory) -> str:
    """Create a site admin, an app and a problem; return the app's ingestion key."""
    make.user("admin@example.com", site_admin=True)
    app = make.app("Shop")
    make.problem(app["id"])
    return str(app["ingestion_key"])


def report(client: FlaskClient, key: str, **error: object) -> None:
    body = {"error": ERROR | error}
    assert client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": key}).status_code == 201


def live_url(client: FlaskClient, path: str) -> str:
    return client.get(path).text.partition('data-live="')[2].partition('"')[0].replace("&amp;", "&")


@pytest.mark.parametrize("path", ["/problems", "/apps/shop/problems"])
def test_problems_that_occurred_since_the_list_was_loaded_are_counted(client: FlaskClient, key: str, path: str) -> None:
    sign_in(client, "admin@example.com")
    url = live_url(client, path)
    first = client.get(url)
    assert first.get_json() == {"new": 0}
    unchanged = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    report(client, key)
    report(client, key, **{"class": "OtherError", "backtrace": ["/srv/other.py:1 in other"]})
    changed = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.get_json() == {"new": 2}
    assert client.get(live_url(client, path)).get_json() == {"new": 0}


def test_only_problems_that_match_the_list_are_counted(client: FlaskClient, key: str) -> None:
    sign_in(client, "admin@example.com")
    matching, other = (live_url(client, f"/problems?search={word}") for word in ("late", "nothing-like-it"))
    report(client, key)
    assert client.get(matching).get_json() == {"new": 1}
    assert client.get(other).get_json() == {"new": 0}


def test_a_team_member_learns_nothing_of_other_apps(client: FlaskClient, app: Flask, key: str, make: Factory) -> None:
    make.user("lin@example.com")
    sign_in(client, "lin@example.com")
    url = live_url(client, "/problems")
    before = client.get(url)
    report(app.test_client(), key)
    assert client.get(url, headers={"If-None-Match": before.headers["ETag"]}).status_code == 304
    assert client.get("/apps/shop/problems/changes?seen=0").status_code == 404
    client.get("/sign-out")


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 30])
def test_an_invalid_time_is_rejected(client: FlaskClient, key: str, seen: str) -> None:
    sign_in(client, "admin@example.com")
    assert client.get("/problems/changes", query_string={"seen": seen}).status_code == 422


@pytest.mark.browser
@pytest.mark.slow
def test_a_pill_appears_within_five_seconds_and_loads_the_new_problem(
    browser_page: "Page", app: Flask, key: str
) -> None:
    browser_page.goto("/sign-in")
    browser_page.get_by_label("Email address").fill("admin@example.com")
    browser_page.get_by_label("Password").fill("correct horse")
    browser_page.get_by_role("button", name="Sign in").click()
    browser_page.goto("/problems")
    report(app.test_client(), key)
    pill = browser_page.get_by_role("link", name="1 new")
    pill.wait_for(timeout=5_500)
    assert browser_page.get_by_text("LateError").count() == 0
    shift = browser_page.evaluate(
        "new Promise(done => { new PerformanceObserver(list => done(list.getEntries().reduce((sum, entry) => "
        "sum + entry.value, 0))).observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(0), 200); })"
    )
    assert shift < 0.05
    pill.click()
    browser_page.get_by_text("LateError").wait_for()
