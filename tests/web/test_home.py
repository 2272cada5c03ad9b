"""The home page: apps, latest problems, new problems, and the next step if there are none."""

from datetime import timedelta

from flask.testing import FlaskClient

from checkend import clock
from tests.support.factories import Factory
from tests.support.pages import sign_in
from tests.support.reports import send


def test_without_apps_an_admin_is_asked_to_create_one(client: FlaskClient, make: Factory) -> None:
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    page = client.get("/").text
    assert "An app is anything that reports errors" in page
    assert 'href="/apps/new"' in page


def test_without_a_team_the_page_says_whom_to_ask(client: FlaskClient, make: Factory) -> None:
    make.user("new@example.com")
    make.app("Secret shop")
    sign_in(client, "new@example.com")
    page = client.get("/").text
    assert "no app is assigned to them" in page
    assert "Secret shop" not in page
    assert 'href="/apps/new"' not in page


def test_home_shows_counts_curves_what_is_new_and_what_was_last(client: FlaskClient, make: Factory) -> None:
    make.user("ada@example.com", site_admin=True)
    app = make.app("Shop")
    now = clock.now()
    make.problem(app["id"], at=now - timedelta(days=3), error_class="OldError")
    make.problem(app["id"], at=now, first_noticed_at=now - timedelta(days=9), error_class="KnownError")
    make.problem(app["id"], at=now, error_class="DoneError", status="resolved")
    send(client, app["ingestion_key"], "FreshError")
    sign_in(client, "ada@example.com")
    page = client.get("/").text
    latest, new = page.split("New in the last 24 hours")
    assert "<strong>3</strong> unresolved" in page
    assert "Occurrences in the last 14 days: 1 occurrence in total" in page
    assert latest.index("FreshError") < latest.index("KnownError") < latest.index("OldError")
    assert "DoneError" not in latest
    assert "FreshError" in new
    assert "DoneError" in new
    assert "KnownError" not in new
    assert "OldError" not in new


def test_home_shows_only_apps_of_the_users_teams(client: FlaskClient, make: Factory) -> None:
    owner = make.user("lin@example.com")
    mine, other = make.app("Mine"), make.app("Other")
    make.assign(make.team("Core", owner), mine["id"])
    make.problem(mine["id"], error_class="MyError")
    make.problem(other["id"], error_class="TheirError")
    sign_in(client, "lin@example.com")
    page = client.get("/").text
    assert "MyError" in page
    assert "TheirError" not in page
    assert "Other" not in page
