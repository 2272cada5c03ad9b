"""Lists of problems: filters in the URL, counts, and bulk actions."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.models import App, Notice, Problem
from checkend.models import selection as bulk_models
from tests.support.factories import Factory
from tests.support.pages import sign_in, submit
from tests.support.reports import send


@pytest.fixture
def shop(make: Factory, client: FlaskClient) -> dict[str, object]:
    """Provide an app, with a site admin signed in."""
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    return make.app("Shop")


def listed(client: FlaskClient, address: str) -> list[str]:
    """Return the error classes that a list shows, in order."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return re.findall(r'class="problem-class"><bdi>([^<]+)<', answer.text)


def tabs(client: FlaskClient, address: str) -> list[int]:
    """Return the counts of the tabs Unresolved, Resolved and All."""
    unresolved, _, resolved, every = all_tabs(client, address)
    return [unresolved, resolved, every]


def all_tabs(client: FlaskClient, address: str) -> list[int]:
    """Return the counts of the tabs Unresolved, Muted, Resolved and All."""
    return [int(count) for count in re.findall(r'<span class="count">(\d+)</span></a>', client.get(address).text)][-4:]


def counts_are_right(app: Flask) -> bool:
    """Return whether the stored counts of every app match its problems."""
    with app.app_context():
        problems = db.session.scalars(db.select(Problem)).all()
        return all(
            (one.problems_count, one.unresolved_problems_count)
            == (
                sum(problem.app_id == one.id for problem in problems),
                sum(problem.app_id == one.id and problem.status == "unresolved" for problem in problems),
            )
            for one in db.session.scalars(db.select(App))
        )


@pytest.fixture
def varied(make: Factory, shop: dict[str, object], client: FlaskClient) -> str:
    """Provide the path of a list, with all statuses, of problems that every filter distinguishes."""
    now = clock.now()
    app_id = int(str(shop["id"]))
    make.problem(app_id, at=now - timedelta(days=20), error_class="Aged", error_message="100% of _it", notices_count=50)
    make.problem(
        app_id, at=now - timedelta(days=2), error_class="Busy", error_message="the CART is full", notices_count=9
    )
    make.problem(app_id, at=now, error_class="Calm", error_message="nothing", status="resolved", notices_count=1)
    send(client, str(shop["ingestion_key"]), "Dated", tags=["urgent"], context={"environment": "staging"})
    return "/apps/shop/problems?status=all"


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ("", ["Dated", "Calm", "Busy", "Aged"]),
        ("&search=cart", ["Busy"]),
        ("&search=%25", ["Aged"]),
        ("&search=_i", ["Aged"]),
        ("&tags=urgent", ["Dated"]),
        ("&tags=urgent,other", ["Dated"]),
        ("&tags=other", []),
        ("&environment=staging", ["Dated"]),
        ("&environment=production", []),
        ("&since=24h", ["Dated", "Calm"]),
        ("&since=7d", ["Dated", "Calm", "Busy"]),
        ("&min_notices=9", ["Busy", "Aged"]),
        ("&sort=oldest", ["Aged", "Busy", "Calm", "Dated"]),
        ("&sort=notices", ["Aged", "Busy", "Dated", "Calm"]),
        ("&search=cart&since=24h", []),
    ],
)
def test_each_filter_narrows_or_orders(varied: str, client: FlaskClient, narrowed: str, found: list[str]) -> None:
    assert listed(client, varied + narrowed) == found


def test_a_date_range_takes_whole_days(varied: str, client: FlaskClient) -> None:
    day = (clock.now() - timedelta(days=2)).date().isoformat()
    assert listed(client, f"{varied}&date_from={day}&date_to={day}") == ["Busy"]


def test_a_list_shows_what_is_unresolved_unless_asked_otherwise(varied: str, client: FlaskClient) -> None:
    assert listed(client, "/apps/shop/problems") == ["Dated", "Busy", "Aged"]
    assert listed(client, "/problems") == ["Dated", "Busy", "Aged"]
    assert listed(client, "/problems?status=resolved") == ["Calm"]


def test_the_tabs_count_what_the_filter_finds(varied: str, client: FlaskClient) -> None:
    assert tabs(client, "/apps/shop/problems") == [3, 1, 4]
    assert tabs(client, "/apps/shop/problems?since=24h") == [1, 1, 2]
    assert tabs(client, "/apps/shop/problems?search=cart") == [1, 0, 1]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status=open", "status must be one of new, regressed, unresolved, muted, resolved, all."),
        ("since=1y", "since must be one of"),
        ("min_notices=-1", "min_notices must be a whole number"),
        ("min_notices=9999999999", "min_notices must be a whole number"),
        ("date_from=tomorrow", "date_from must be a date or a time, such as"),
        ("page=x", "page must be a whole number"),
    ],
)
def test_a_filter_that_cannot_be_read_is_named_and_nothing_is_listed(
    varied: str, client: FlaskClient, query: str, sentence: str
) -> None:
    answer = client.get(f"/problems?{query}")
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "problem-class" not in answer.text


def test_nothing_is_done_with_a_filter_that_cannot_be_read(varied: str, client: FlaskClient) -> None:
    assert submit(client, "/problems?since=1y", {"action": "resolve", "scope": "all"}).status_code == 400
    assert tabs(client, "/problems") == [3, 1, 4]


def test_long_lists_come_in_pages_that_keep_the_filter(
    shop: dict[str, object], make: Factory, client: FlaskClient
) -> None:
    for _ in range(27):
        make.problem(int(str(shop["id"])), error_message="needle")
    first = client.get("/problems?search=needle")
    assert first.text.count("data-problem>") == 25
    assert "/problems?search=needle&amp;page=2" in first.text
    assert client.get("/problems?search=needle&page=2").text.count("data-problem>") == 2
    assert "This page does not exist" in client.get("/problems?search=needle&page=3").text


def test_what_is_selected_is_resolved_and_reopened(varied: str, app: Flask, client: FlaskClient, make: Factory) -> None:
    ids = make.run(lambda: list(db.session.scalars(db.select(Problem.id).where(Problem.status == "unresolved"))))
    answer = submit(client, "/apps/shop/problems?sort=oldest", {"action": "resolve", "id": ids[:2]})
    assert answer.headers["Location"] == "/apps/shop/problems?sort=oldest"
    assert tabs(client, "/problems") == [1, 3, 4]
    submit(client, "/problems", {"action": "unresolve", "id": ids[:1]})
    assert tabs(client, "/problems") == [2, 2, 4]
    assert counts_are_right(app)


def test_all_that_match_are_changed_across_pages_and_no_others(
    shop: dict[str, object], app: Flask, make: Factory, client: FlaskClient
) -> None:
    for _ in range(30):
        make.problem(int(str(shop["id"])), error_message="needle")
    make.problem(int(str(shop["id"])), error_message="other")
    submit(client, "/problems?search=needle", {"action": "resolve", "scope": "all"})
    assert tabs(client, "/problems") == [1, 30, 31]
    assert "Reopened 30 problems." in submit_page(client, "/problems?search=needle&status=all", "unresolve")
    assert counts_are_right(app)


def submit_page(client: FlaskClient, address: str, action: str, **fields: object) -> str:
    """Return the page after a bulk action on all matching problems, without earlier flash messages."""
    answer = submit(client, address, {"action": action, "scope": "all", **fields})
    return client.get(answer.headers["Location"]).text


def test_tags_are_put_on_all_that_match_and_taken_off(varied: str, client: FlaskClient) -> None:
    assert "Tagged 4 problems." in submit_page(client, varied, "tag", tag=" Later ")
    assert listed(client, "/problems?status=all&tags=later") == ["Dated", "Calm", "Busy", "Aged"]
    assert "Tagged 0 problems." in submit_page(client, varied, "tag", tag="later")
    assert "Untagged 1 problem." in submit_page(client, f"{varied}&search=cart", "untag", tag="later")
    assert len(listed(client, "/problems?status=all&tags=later")) == 3


def test_a_name_that_no_tag_may_have_is_refused_with_the_rule(varied: str, client: FlaskClient) -> None:
    assert "Tag name must be 1 to 50 letters" in submit_page(client, varied, "tag", tag="not a tag!")


def test_deleting_asks_first_and_then_removes_notices_and_counts(
    varied: str, app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_models, "NOTICE_BATCH_SIZE", 2)
    asked = submit(client, varied, {"action": "delete", "scope": "all"})
    assert "Delete 4 problems?" in asked.text
    assert tabs(client, varied) == [3, 1, 4]
    assert "Deleted 4 problems." in submit_page(client, varied, "delete", confirmed="yes")
    assert counts_are_right(app)
    with app.app_context():
        assert db.session.scalars(db.select(Notice)).all() == []


def test_deleting_many_notices_goes_in_steps(
    shop: dict[str, object], app: Flask, make: Factory, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_models, "NOTICE_BATCH_SIZE", 3)
    big = make.problem(int(str(shop["id"])), notices=10)
    kept = make.problem(int(str(shop["id"])), notices=2)
    submit(client, "/problems", {"action": "delete", "id": big, "confirmed": "yes"})
    with app.app_context():
        assert {notice.problem_id for notice in db.session.scalars(db.select(Notice))} == {kept}
    assert counts_are_right(app)


def test_deleting_stops_after_a_while_says_what_is_left_and_goes_on_when_asked(
    shop: dict[str, object], app: Flask, make: Factory, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_models, "NOTICE_BATCH_SIZE", 2)
    monkeypatch.setattr("checkend.models.selection.DELETE_TIME_LIMIT_SECONDS", 0)
    for _ in range(2):
        make.problem(int(str(shop["id"])), notices=2)
    asked = {"action": "delete", "scope": "all", "confirmed": "yes"}
    answer = submit(client, "/problems", asked)
    assert "1 problem remaining. Delete again to continue." in client.get(answer.headers["Location"]).text
    assert counts_are_right(app)
    big = make.problem(int(str(shop["id"])), notices=5)
    answer = submit(client, f"/problems/{big}/delete")
    assert answer.headers["Location"] == f"/problems/{big}"
    while answer.headers["Location"] == f"/problems/{big}":
        answer = submit(client, f"/problems/{big}/delete")
    submit(client, "/problems", asked)
    assert tabs(client, "/problems") == [0, 0, 0]
    assert counts_are_right(app)


def test_nothing_selected_changes_nothing_and_says_so(varied: str, client: FlaskClient) -> None:
    answer = submit(client, "/problems", {"action": "resolve"})
    assert "Select one or more problems first." in client.get(answer.headers["Location"]).text
    assert tabs(client, "/problems") == [3, 1, 4]


@pytest.mark.parametrize("ids", [["x"], ["-1"], ["99999999999999999999"], ["9223372036854775807"]])
def test_invalid_ids_are_ignored(varied: str, client: FlaskClient, ids: list[str]) -> None:
    assert submit(client, "/problems", {"action": "resolve", "id": ids}).status_code == 302
    assert tabs(client, "/problems") == [3, 1, 4]


def test_an_action_that_does_not_exist_is_refused(varied: str, client: FlaskClient) -> None:
    assert submit(client, "/problems", {"action": "explode", "scope": "all"}).status_code == 400


class TestRoles:
    """Actions that the user may not take are not offered, and are rejected if requested anyway."""

    @pytest.fixture
    def two_apps(self, make: Factory) -> dict[str, int]:
        """Provide the problems of three apps, for which the user is a member, a viewer, and nothing at all."""
        person = make.user("lin@example.com")
        apps = {name: make.app(name)["id"] for name in ("Acts", "Looks", "Hidden")}
        for name, role in (("Acts", "member"), ("Looks", "viewer")):
            team = make.team(name)
            make.assign(team, apps[name])
            make.join(team, person, role)
        return {name: make.problem(app_id, error_class=name) for name, app_id in apps.items()}

    def test_a_list_across_apps_shows_those_of_the_users_teams(
        self, two_apps: dict[str, int], client: FlaskClient
    ) -> None:
        sign_in(client, "lin@example.com")
        assert sorted(listed(client, "/problems")) == ["Acts", "Looks"]
        assert tabs(client, "/problems") == [2, 0, 2]
        assert client.get("/apps/hidden/problems").status_code == 404

    def test_only_problems_that_the_user_may_change_can_be_selected(
        self, two_apps: dict[str, int], client: FlaskClient
    ) -> None:
        sign_in(client, "lin@example.com")
        page = client.get("/problems").text
        assert f'name="id" value="{two_apps["Acts"]}"' in page
        assert f'name="id" value="{two_apps["Looks"]}"' not in page
        assert 'value="delete"' not in page
        assert 'value="resolve"' not in client.get("/apps/looks/problems").text

    def test_all_matching_means_all_that_the_user_may_change(
        self, two_apps: dict[str, int], client: FlaskClient
    ) -> None:
        sign_in(client, "lin@example.com")
        submit(client, "/problems", {"action": "resolve", "scope": "all"})
        assert listed(client, "/problems?status=resolved") == ["Acts"]

    def test_changing_problems_that_the_user_may_only_see_is_forbidden(
        self, two_apps: dict[str, int], client: FlaskClient
    ) -> None:
        sign_in(client, "lin@example.com")
        both = [two_apps["Acts"], two_apps["Looks"]]
        assert submit(client, "/problems", {"action": "resolve", "id": both}).status_code == 403
        assert submit(client, "/apps/looks/problems", {"action": "tag", "tag": "x", "scope": "all"}).status_code == 403
        assert submit(client, "/problems", {"action": "delete", "scope": "all"}).status_code == 403
        assert tabs(client, "/problems") == [2, 0, 2]

    def test_problems_that_the_user_may_not_see_are_not_changed(
        self, two_apps: dict[str, int], client: FlaskClient, app: Flask
    ) -> None:
        sign_in(client, "lin@example.com")
        submit(client, "/problems", {"action": "resolve", "id": two_apps["Hidden"]})
        with app.app_context():
            assert db.session.get_one(Problem, two_apps["Hidden"]).status == "unresolved"

    def test_tags_of_other_teams_are_not_offered(
        self, two_apps: dict[str, int], client: FlaskClient, make: Factory
    ) -> None:
        make.run(lambda: db.session.get_one(Problem, two_apps["Hidden"]).add_tag("secret-project"))
        make.run(lambda: db.session.get_one(Problem, two_apps["Acts"]).add_tag("known"))
        sign_in(client, "lin@example.com")
        page = client.get("/problems").text
        assert '<option value="known">' in page
        assert "secret-project" not in page


def test_more_filters_are_unfolded_by_a_filter_that_is_among_them_alone(
    shop: dict[str, object], client: FlaskClient
) -> None:
    def is_unfolded(query: str) -> bool:
        fold = re.search(r'<details class="filter-more" (open)?>', client.get(f"/problems?{query}").text)
        assert fold
        return bool(fold[1])

    assert not is_unfolded("since=24h&sort=notices&search=x&status=all")
    for query in ("tags=a", "environment=a", "date_from=2024-01-01", "date_to=2024-01-01", "min_notices=2"):
        assert is_unfolded(query)


def test_enter_without_javascript_changes_nothing(shop: dict[str, object], make: Factory, client: FlaskClient) -> None:
    make.problem(int(str(shop["id"])))
    page = client.get("/problems").text
    first = re.search(r'<form method="post" action="/problems".*?<button[^>]*name="action" value="(\w*)"', page, re.S)
    assert first
    answer = submit(client, "/problems", {"action": first[1], "id": 1})
    assert answer.location == "/problems"
    assert "Choose what to do" in client.get("/problems").text


class TestEmptyStates:
    def test_an_app_without_errors_leads_to_connecting_it(self, shop: dict[str, object], client: FlaskClient) -> None:
        page = client.get("/apps/shop/problems").text
        assert "No errors reported yet" in page
        assert 'href="/apps/shop"' in page

    def test_after_all_problems_were_deleted_no_page_says_that_no_error_was_reported(
        self, shop: dict[str, object], client: FlaskClient
    ) -> None:
        send(client, str(shop["ingestion_key"]))
        assert submit(client, "/problems/1/delete").status_code == 302
        for address in ("/apps/shop/problems", "/problems"):
            page = client.get(address).text
            assert "No errors reported yet" not in page
            assert "All problems have been deleted." in page
        assert "first error" not in client.get("/apps/shop").text
        assert "no errors yet" not in client.get("/").text

    def test_a_list_without_unresolved_problems_says_so(
        self, shop: dict[str, object], make: Factory, client: FlaskClient
    ) -> None:
        make.problem(int(str(shop["id"])), status="resolved")
        assert "No open problems" in client.get("/problems").text

    def test_a_filter_without_a_match_can_be_cleared(
        self, shop: dict[str, object], make: Factory, client: FlaskClient
    ) -> None:
        make.problem(int(str(shop["id"])))
        assert "No problem matches this filter." in client.get("/problems?tags=zzz").text
