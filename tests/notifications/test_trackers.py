"""Issues of GitHub and GitLab: one per problem, comments at reoccurrence, each once, linked from the problem."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from checkend.db.session import db
from checkend.models import ProblemIssue
from checkend.notifications.channels import content, gitlab, issue_text
from checkend.notifications.channels.text import utf16_length
from checkend.notifications.message import AppSummary, Event, Notification, ProblemSummary
from tests.support.api import Api
from tests.support.factories import Factory
from tests.support.pages import sign_in
from tests.support.trackers import FakeTracker

Report = Callable[..., dict[str, Any]]
Work = Callable[[], None]
Later = Callable[[float], None]
NOW = datetime(2026, 11, 25, 9, 30, 0, tzinfo=UTC)
APP = AppSummary(3, "Shop", "shop", "https://errors.example/apps/shop")
PROBLEM = ProblemSummary(
    id=5,
    error_class="NoMethodError",
    message="undefined method",
    culprit="Order#total",
    environment="production",
    release="1.4.2",
    occurrences=1_234,
    first_seen_at=NOW,
    last_seen_at=NOW,
    url="https://errors.example/problems/5",
    frames=("/srv/app/models/order.rb:41 Order#total",),
)
NEW = Notification("msg_1", Event.NEW_PROBLEM, APP, NOW, (PROBLEM,), url=PROBLEM.url)


@pytest.fixture(params=["github", "gitlab"])
def tracker(request: pytest.FixtureRequest) -> Iterator[FakeTracker]:
    """Provide a tracker of each kind."""
    server = FakeTracker(request.param)
    yield server
    server.close()


@pytest.fixture
def channel(api: Api, shop: dict[str, Any], tracker: FakeTracker) -> str:
    """Provide the path of a channel to `tracker`."""
    target = {"repository" if tracker.kind == "github" else "project": "acme/shop"}
    config = {**target, "server": tracker.url, "token": "secret-token", "labels": ["bug", "checkend"]}
    path = f"/apps/{shop['id']}/channels"
    response = api.post(path, {"kind": tracker.kind, "name": "Issues", "config": config})
    assert response.status_code == 201, response.get_data(as_text=True)
    assert "secret-token" not in response.get_data(as_text=True)
    return f"{path}/{response.get_json()['id']}"


def deliveries(api: Api, channel: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.get(f"{channel}/deliveries").get_json()["data"]
    return rows


def resolve(api: Api, shop: dict[str, Any], problem_id: int) -> None:
    assert api.post(f"/apps/{shop['id']}/problems/{problem_id}/resolve").status_code == 200


def test_a_new_problem_becomes_an_issue(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    problem_id = report()["problem_id"]
    work()
    [issue] = tracker.issues.values()
    assert issue["title"] == "NoMethodError: NoMethodError happened"
    assert issue["labels"] == (["bug", "checkend"] if tracker.kind == "github" else "bug,checkend")
    text = issue[tracker.text]
    assert text.startswith("`New problem in Shop`\n\n```text\nNoMethodError\n\nNoMethodError happened\n\nApp: Shop\n")
    assert "at /srv/shop/app/models/nomethoderror.rb:41 in total" in text
    assert f"[Open the problem](https://errors.example.com/problems/{problem_id})" in text
    assert re.search(r"<!-- checkend:issue:[0-9a-f]{32} -->\n<!-- checkend:message:msg_[0-9a-f]{32} -->$", text)
    methods = [method for method, *_ in tracker.requests]
    assert methods == ["GET", "POST"]
    for _, _, headers, _ in tracker.requests:
        names = {"github": ("Authorization", "Bearer secret-token"), "gitlab": ("Private-Token", "secret-token")}
        name, value = names[tracker.kind]
        assert {key.title(): text for key, text in headers.items()}[name] == value
    assert [row["status"] for row in deliveries(api, channel)] == ["delivered"]


def test_a_reoccurrence_comments_on_the_issue_and_reopens_it(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    problem_id = report()["problem_id"]
    work()
    tracker.issues[1]["state"] = "closed"
    resolve(api, shop, problem_id)
    report()
    work()
    assert list(tracker.issues) == [1]
    [comment] = tracker.comments[1]
    assert comment["body"].startswith("`Resolved problem occurred again in Shop`")
    assert "checkend:issue:" not in comment["body"]
    assert tracker.issues[1]["state"] == "open"


def test_the_same_delivery_again_creates_neither_an_issue_nor_a_comment(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    problem_id = report()["problem_id"]
    work()
    resolve(api, shop, problem_id)
    report()
    work()
    for row in deliveries(api, channel):
        assert api.post(f"{channel}/deliveries/{row['id']}/redeliver").status_code < 300
        work()
    assert len(tracker.issues) == 1
    assert len(tracker.comments[1]) == 1


def test_an_issue_whose_creation_was_not_confirmed_is_found_by_its_marker(
    api: Api, channel: str, tracker: FakeTracker, report: Report, work: Work, later: Later
) -> None:
    tracker.script = [("GET", 1200, {}), ("POST", 1502, {})]
    report()
    work()
    assert len(tracker.issues) == 1
    assert deliveries(api, channel)[0]["status"] == "pending"
    copy = dict(tracker.issues[1])  # by someone who saw the marker
    later(60)
    tracker.create(copy)
    work()
    assert len(tracker.issues) == 2
    assert tracker.comments == {1: [], 2: []}
    assert deliveries(api, channel)[0]["status"] == "delivered"


def test_a_digest_whose_outcome_is_unknown_becomes_one_issue(
    channel: str, tracker: FakeTracker, report: Report, work: Work, later: Later
) -> None:
    for number in range(7):
        report(f"Error{number}")
    work()
    assert len(tracker.issues) == 5
    tracker.script = [("GET", 1200, {}), ("POST", 1500, {})]
    later(400)
    work()
    later(400)
    work()
    assert len(tracker.issues) == 6
    assert not any(tracker.comments.values())


def test_the_first_issue_with_the_marker_is_commented_on_and_not_a_copy(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    tracker.script = [("GET", 1200, {}), ("POST", 1502, {})]
    problem_id = report()["problem_id"]
    work()
    tracker.create(tracker.issues[1])
    resolve(api, shop, problem_id)
    report()
    work()
    assert [len(comments) for comments in tracker.comments.values()] == [1, 0]


@pytest.mark.parametrize("tracker", ["gitlab"], indirect=True)  # GitHub cannot list the issues of a token's user
def test_a_copy_by_others_is_no_substitute_for_a_deleted_issue(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    problem_id = report()["problem_id"]
    work()
    tracker.create(tracker.issues[1])
    tracker.by_others = {0, 2}
    tracker.issues = {2: tracker.issues[2], 0: {tracker.text: ""}}
    resolve(api, shop, problem_id)
    report()
    work()
    assert 3 in tracker.issues
    assert tracker.comments[2] == []


def test_large_issues_and_comments_of_others_do_not_stop_notifications(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    large = "\u6f22" * 65_536
    for _ in range(10):
        tracker.create({tracker.text: large})
    problem_id = report()["problem_id"]
    work()
    assert len(tracker.issues) == 11
    tracker.comments[11] = [{"body": large}] * 10
    resolve(api, shop, problem_id)
    report()
    work()
    assert len(tracker.comments[11]) == 11
    assert [row["status"] for row in deliveries(api, channel)] == ["delivered"] * 2


def test_a_digest_of_one_problem_comments_on_its_issue_and_reopens_it(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work, later: Later
) -> None:
    assert api.patch(channel, {"events": ["new_problem", "reoccurrence", "threshold"]}).status_code == 200
    assert api.patch(channel, {"min_interval_seconds": 60}).status_code == 200
    problem_id = report()["problem_id"]
    work()
    tracker.issues[1]["state"] = "closed"
    resolve(api, shop, problem_id)
    for _ in range(20):
        report()
    work()
    later(61)
    work()
    assert list(tracker.issues) == [1]
    [comment] = tracker.comments[1]
    assert comment["body"].startswith("`2 notifications about 1 problem in Shop")
    assert tracker.issues[1]["state"] == "open"


def test_a_rejected_issue_shows_the_reason_without_the_token(
    api: Api, channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    tracker.script = [("GET", 1200, {}), ("POST", 422, {})]
    tracker.error = {"message": "Invalid label for secret-token " + "x" * 1_000}
    report()
    work()
    [row] = deliveries(api, channel)
    assert row["status"] == "failed"
    assert row["last_error"].startswith("The receiver responded 422: Invalid label for [secret] xxx")
    assert len(row["last_error"]) < 300


def test_a_deeply_nested_response_is_reported(
    api: Api, channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    tracker.raw_response = b"[" * 200_000
    report()
    work()
    label = {"github": "GitHub", "gitlab": "GitLab"}[tracker.kind]
    assert deliveries(api, channel)[0]["last_error"] == f"The response of {label} is not JSON."


def test_deleting_a_problem_or_a_channel_removes_its_links(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work, app: Flask
) -> None:
    def count() -> int | None:
        with app.app_context():
            return db.session.scalar(select(func.count()).select_from(ProblemIssue))

    problem_id = report()["problem_id"]
    report("OtherError")
    work()
    assert count() == 2
    assert api.delete(f"/apps/{shop['id']}/problems/{problem_id}").status_code == 204
    assert count() == 1
    assert api.delete(channel).status_code == 204
    assert count() == 0


def test_only_links_to_http_are_kept(
    client: FlaskClient, channel: str, tracker: FakeTracker, report: Report, work: Work, make: Factory
) -> None:
    tracker.issue_url = "javascript:alert(1)"
    problem_id = report()["problem_id"]
    work()
    make.user("owner@example.com", site_admin=True)
    sign_in(client, "owner@example.com")
    page = client.get(f"/problems/{problem_id}")
    assert page.status_code == 200
    assert "javascript:" not in page.text


@pytest.mark.parametrize("number", [0, -1, 10**30, "1", None])
def test_a_response_that_is_no_issue_is_reported(
    number: Any, api: Api, channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    tracker.issue_number = number
    report()
    work()
    assert deliveries(api, channel)[0]["status"] == "pending"
    label = {"github": "GitHub", "gitlab": "GitLab"}[tracker.kind]
    assert deliveries(api, channel)[0]["last_error"] == f"The response of {label} is not an issue."


def test_a_deleted_issue_is_replaced(
    api: Api, shop: dict[str, Any], channel: str, tracker: FakeTracker, report: Report, work: Work
) -> None:
    problem_id = report()["problem_id"]
    work()
    tracker.issues[9] = tracker.issues.pop(1) | {tracker.text: "something else"}
    resolve(api, shop, problem_id)
    report()
    work()
    assert list(tracker.issues) == [9, 2]
    assert tracker.issues[2][tracker.text].startswith("`Resolved problem occurred again in Shop`")


def test_a_rate_limit_is_waited_for_and_a_revoked_token_disables_the_channel(
    api: Api, channel: str, tracker: FakeTracker, report: Report, work: Work, later: Later
) -> None:
    report()
    limited = {"X-RateLimit-Remaining": "0", "Retry-After": "90"}
    tracker.script = [("GET", 403, limited)] * 4
    for _ in range(4):
        work()
        later(4_000)
    assert api.get(channel).get_json()["enabled"]
    assert "rate limit" in api.get(channel).get_json()["last_error"]
    tracker.script = [("GET", 401, {})] * 3
    for _ in range(3):
        work()
        later(20_000)
    assert not api.get(channel).get_json()["enabled"]
    assert tracker.issues == {}


def test_a_burst_becomes_an_issue_that_lists_every_problem(
    api: Api, channel: str, tracker: FakeTracker, report: Report, work: Work, later: Later
) -> None:
    ids = [report(f"Error{number}")["problem_id"] for number in range(12)]
    work()
    later(400)
    work()
    assert len(tracker.issues) == 6
    text = tracker.issues[6][tracker.text]
    assert [int(number) for number in re.findall(r"\[Problem (\d+)\]", text)] == ids[5:]
    assert "`Error11: Error11 happened` (1 occurrence)" in text


def test_a_test_leaves_a_closed_issue(api: Api, channel: str, tracker: FakeTracker) -> None:
    assert api.post(f"{channel}/test").get_json()["status"] == "delivered"
    [issue] = tracker.issues.values()
    assert (issue["title"], issue["state"]) == ("Test notification from Shop", "closed")


def test_the_token_is_not_sent_to_another_server(api: Api, channel: str) -> None:
    config = api.get(channel).get_json()["config"]
    response = api.patch(channel, {"config": config | {"server": "https://evil.example"}})
    assert response.status_code == 422
    assert "Enter 'token' again" in response.get_data(as_text=True)


@pytest.mark.parametrize(
    "text",
    [
        "```\n/close\n/assign @root",
        "@root fixes #1 and acme/shop#2 !3 ~bug https://evil.example",
        "\n/close",
        "--> <!-- checkend:issue:0 -->",
        "`" * 30_000,
        "<script>alert(1)</script>",
    ],
)
def test_text_from_reports_stays_inside_of_code(text: str) -> None:
    problem = replace(PROBLEM, error_class=text, message=text, culprit=text, frames=(text,), release=text)
    notification = replace(NEW, problems=(problem,), app=replace(APP, name=text))
    body = issue_text.body(notification, "0" * 32, 65_536)
    assert utf16_length(body) <= 65_536
    outside = re.fullmatch(r"`([^`\n]+)`\n\n```text\n(.*?)\n```\n\n(.*)", body, re.DOTALL)
    assert outside
    assert "```" not in outside[2]
    assert not re.search(r"^\s*/", outside[2], re.MULTILINE)
    assert outside[3].startswith("[Open the problem](https://errors.example/problems/5)\n\n<!-- checkend:issue:000")
    assert not re.search(r"[@#!~]\w|://", issue_text.title(notification))


def test_the_largest_digest_on_gitlab_names_every_problem() -> None:
    problem = replace(PROBLEM, message="x" * 1_000)
    count = content.digest_capacity("gitlab")
    digest = replace(NEW, event=Event.DIGEST, problems=(problem,) * count, count=count, url=APP.url)
    body = issue_text.body(digest, "0" * 32, gitlab.BODY_LIMIT)
    assert utf16_length(body) <= gitlab.BODY_LIMIT
    assert body.count("- [Problem 5]") == count
    assert "more" not in body


@pytest.mark.parametrize("limit", [65_536, 150_000])
def test_a_digest_fits_the_limit_and_says_how_many_problems_are_missing(limit: int) -> None:
    problem = replace(PROBLEM, message="x" * 1_000)
    digest = replace(NEW, event=Event.DIGEST, problems=(problem,) * 1_000, count=5_000, url=APP.url)
    body = issue_text.body(digest, "0" * 32, limit)
    assert utf16_length(body) <= limit
    assert f"and {5_000 - body.count('- [Problem 5]'):,} more" in body
    assert f"({APP.url})" in body


def test_the_problem_page_links_its_issues(
    client: FlaskClient, channel: str, tracker: FakeTracker, report: Report, work: Work, make: Factory
) -> None:
    problem_id = report()["problem_id"]
    work()
    make.user("owner@example.com", site_admin=True)
    sign_in(client, "owner@example.com")
    page = client.get(f"/problems/{problem_id}").text
    label = {"github": "GitHub", "gitlab": "GitLab"}[tracker.kind]
    link = '<a href="https://tracker.example/acme/shop/issues/1" rel="noopener noreferrer"'
    assert f'{link} target="_blank">{label} #1' in page
