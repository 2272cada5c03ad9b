"""The page of a problem and its actions."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.models import App, Notice, Problem
from tests.support.factories import Factory
from tests.support.pages import sign_in, submit
from tests.support.reports import send

RAILS = {"name": "checkend-ruby", "language": "ruby"}
FRAMES = [
    "[PROJECT_ROOT]/app/models/cart.rb:12:in 'Cart#total'",
    "/usr/lib/ruby/gems/3.3.0/gems/rack-3.0/lib/rack.rb:9:in 'call'",
]


@pytest.fixture
def reported(make: Factory, client: FlaskClient) -> dict[str, str]:
    """Provide an app with a problem of two notices and one duplicate, with a site admin signed in."""
    make.user("ada@example.com", site_admin=True)
    app = make.app("Shop")
    for user in (7, 7, 8):
        send(
            client,
            app["ingestion_key"],
            "PaymentError",
            message="card *declined*",
            backtrace=FRAMES if user == 7 else FRAMES[:1],
            tags=["checkout"],
            context={"environment": "production", "revision": "abc123", "hostname": "web-1"},
            request={"url": "https://shop.example.com/pay?x=1", "method": "POST"},
            user={"id": user},
            notifier=RAILS,
        )
    sign_in(client, "ada@example.com")
    return {"key": app["ingestion_key"], "page": "/problems/1"}


def test_the_page_shows_message_counts_facets_and_grouping_reason(
    reported: dict[str, str], client: FlaskClient
) -> None:
    page = client.get("/problems/1").text
    assert "PaymentError" in page
    assert "card *declined*" in page
    assert "<dd>3</dd>" in page
    assert "2 stored, 1 duplicate" in page
    assert "3 occurrences in total; peak:" in page
    assert "Reports of PaymentError raised in" in page.split(">Grouping<")[1]
    for value, percent in (("production", 100), ("abc123", 100), ("web-1", 100), ("7", 67), ("8", 33)):
        assert f'<bdi>{value}</bdi></span><span class="share-percent"' in page
        assert f">{percent}%</span>" in page
    assert page.count('href="/problems/1/notices/') == 2


@pytest.mark.parametrize(("chart", "bars"), [("24h", 24), ("14d", 56), ("90d", 90)])
def test_the_chart_covers_what_is_asked_for(
    reported: dict[str, str], client: FlaskClient, chart: str, bars: int
) -> None:
    page = client.get(f"/problems/1?chart={chart}").text
    assert page.count('class="bar') == bars
    assert f'chart={chart}#chart" aria-current="true"' in page


def test_the_chart_counts_occurrences_that_were_long_ago(
    reported: dict[str, str], make: Factory, client: FlaskClient
) -> None:
    send(client, reported["key"], "Past", occurred_at=clock.iso(clock.now() - timedelta(days=40)))
    assert "No occurrences." in client.get("/problems/2?chart=14d").text
    assert "1 occurrence in total" in client.get("/problems/2?chart=90d").text


def test_the_newest_backtrace_has_own_frames_plain_and_library_frames_folded(
    reported: dict[str, str], client: FlaskClient
) -> None:
    send(client, reported["key"], "PaymentError", message="other", backtrace=FRAMES, notifier=RAILS, user={"id": 9})
    page = client.get("/problems/1/notices/1").text
    frames = page[page.index('<ol class="frames">') :]
    own, folded = frames.split("<details data-frames>")
    assert '<li class="frame own">' in own
    assert "<bdi>Cart#total</bdi>" in own
    assert "1 library frame" in folded
    assert "rack.rb" in folded
    assert "rack.rb" not in own


def test_resolving_and_reopening_changes_status_and_counts(
    reported: dict[str, str], client: FlaskClient, app: Flask
) -> None:
    submit(client, "/problems/1/resolve")
    assert "resolved <time" in client.get("/problems/1").text
    with app.app_context():
        assert db.session.get_one(App, 1).unresolved_problems_count == 0
    submit(client, "/problems/1/unresolve")
    with app.app_context():
        assert db.session.get_one(App, 1).unresolved_problems_count == 1


def test_a_resolved_problem_that_is_reported_again_is_open_again(reported: dict[str, str], client: FlaskClient) -> None:
    submit(client, "/problems/1/resolve")
    send(client, reported["key"], "PaymentError", message="card *declined*", backtrace=FRAMES, notifier=RAILS)
    assert ">unresolved</span>" in client.get("/problems/1").text


def test_tags_are_added_with_what_is_known_offered_and_removed(reported: dict[str, str], client: FlaskClient) -> None:
    submit(client, "/problems/1/tags", {"tag": "Urgent"})
    page = client.get("/problems/1").text
    assert 'tags=urgent&amp;status=all">urgent</a>' in page
    assert '<option value="checkout">' in page
    submit(client, "/problems/1/tags/1/remove")
    assert "tags=checkout" not in client.get("/problems/1").text
    assert submit(client, "/problems/1/tags/1/remove").status_code == 404


@pytest.mark.parametrize(
    ("tag", "sentence"),
    [("checkout", "Tag already added to this problem"), ("a b", "Tag name must be"), ("", "Tag name")],
)
def test_a_tag_that_cannot_be_added_is_explained(
    reported: dict[str, str], client: FlaskClient, tag: str, sentence: str
) -> None:
    answer = submit(client, "/problems/1/tags", {"tag": tag})
    assert sentence in client.get(answer.headers["Location"]).text


def test_deleting_removes_the_problem_with_its_notices(
    reported: dict[str, str], client: FlaskClient, app: Flask
) -> None:
    answer = submit(client, "/problems/1/delete")
    assert answer.headers["Location"] == "/apps/shop/problems"
    assert client.get("/problems/1").status_code == 404
    with app.app_context():
        assert db.session.scalars(db.select(Notice)).all() == []
        assert db.session.get_one(App, 1).problems_count == 0


def test_the_markdown_can_be_pasted_anywhere(reported: dict[str, str], client: FlaskClient) -> None:
    answer = client.get("/problems/1/markdown")
    assert answer.content_type == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[0] == "# PaymentError"
    assert "> card \\*declined\\*" in lines
    assert "- **Occurrences:** 3" in lines
    assert "- **Link:** http://localhost/problems/1" in lines
    assert "→ [PROJECT_ROOT]/app/models/cart.rb:12 in Cart#total" in lines


def test_columns_of_javascript_frames_are_copied(make: Factory, client: FlaskClient) -> None:
    make.user("ada@example.com", site_admin=True)
    frames = ["TypeError: x", "    at pay (https://shop.example.com/app.js:1:48213)"]
    send(client, make.app("Shop")["ingestion_key"], "TypeError", backtrace=frames, notifier={"language": "javascript"})
    sign_in(client, "ada@example.com")
    assert "app.js:1:48213 in pay" in client.get("/problems/1/markdown").text
    assert "app.js:1:48213 in pay" in client.get("/problems/1/notices/1").text


def test_markdown_fences_are_longer_than_any_in_the_text(reported: dict[str, str], client: FlaskClient) -> None:
    send(client, reported["key"], "Fenced", backtrace=["/a.rb:1:in '```'"], notifier=RAILS)
    text = client.get("/problems/2/markdown").text
    assert text.count("\n````\n") == 2


def test_notices_are_listed_in_pages_without_gaps(reported: dict[str, str], make: Factory, client: FlaskClient) -> None:
    moment = clock.now()
    problem = make.problem(1)
    for number in range(55):
        make.notice(problem, at=moment - timedelta(minutes=number // 2))
    first = client.get(f"/problems/{problem}/notices").text
    assert first.count('class="title"') == 50
    older = first.split("notices?before=")[1].split('"')[0]
    second = client.get(f"/problems/{problem}/notices?before={older}").text
    assert second.count('class="title"') == 5
    assert client.get(f"/problems/{problem}/notices?before=1").status_code == 404


@pytest.mark.parametrize("address", ["/problems/99", "/problems/9999999999999999999999", "/problems/99/notices"])
def test_a_problem_that_is_not_there_is_not_found(reported: dict[str, str], client: FlaskClient, address: str) -> None:
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("viewer", set()), ("member", {"resolve", "tags"}), ("developer", {"resolve", "tags", "delete"})],
)
def test_each_role_is_offered_and_granted_what_it_may(
    reported: dict[str, str], client: FlaskClient, make: Factory, app: Flask, role: str, allowed: set[str]
) -> None:
    team, person = make.team("Core"), make.user("lin@example.com")
    make.assign(team, 1)
    make.join(team, person, role)  # type: ignore[arg-type]  # one of the roles
    other = app.test_client()
    sign_in(other, "lin@example.com")
    page = other.get("/problems/1").text
    for action in ("resolve", "tags", "delete"):
        assert (f'action="/problems/1/{action}"' in page) == (action in allowed)
        answer = submit(other, f"/problems/1/{action}", {"tag": "new"})
        assert answer.status_code == (302 if action in allowed else 403)


def test_users_without_access_cannot_tell_that_a_problem_exists(
    reported: dict[str, str], make: Factory, app: Flask
) -> None:
    make.user("eve@example.com")
    other = app.test_client()
    sign_in(other, "eve@example.com")
    for address in ("/problems/1", "/problems/1/notices", "/problems/1/notices/1", "/problems/1/markdown"):
        assert other.get(address).status_code == 404
    for address in ("/problems/1/resolve", "/problems/1/tags", "/problems/1/delete"):
        assert submit(other, address).status_code == 404
    with app.app_context():
        assert db.session.get_one(Problem, 1).status == "unresolved"
