"""The page of a notice: all data of the report, and links to the adjacent notices."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from checkend import clock
from tests.support.factories import Factory
from tests.support.pages import sign_in
from tests.support.reports import send


@pytest.fixture
def key(make: Factory, client: FlaskClient) -> str:
    """Provide the ingestion key of an app, with a site admin signed in."""
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    return str(make.app("Shop")["ingestion_key"])


def test_every_part_of_a_report_is_shown(key: str, client: FlaskClient) -> None:
    stored = send(
        client,
        key,
        "IOError",
        message="disk full",
        backtrace=["/srv/app.py:7 in outer", "/srv/app.py:9 in inner"],
        context={"environment": "production", "cart": {"lines": [1, 2], "note": "gift"}, "flag": True, "nothing": None},
        request={"url": "https://example.com/a?b=1", "method": "POST", "headers": {"Accept": "text/html"}},
        user={"id": 5, "email": "mia@example.com"},
        notifier={"name": "checkend-python", "version": "1.0.0", "language": "python"},
    )
    page = client.get(f"/problems/{stored['problem_id']}/notices/{stored['id']}").text
    for text in ("IOError", "disk full", "gift", "true", "null", "text/html", "mia@example.com", "checkend-python"):
        assert f"<bdi>{text}</bdi>" in page or f">{text}<" in page
    assert page.index(">inner<") < page.index(">outer<")
    assert 'href="https://example.com/a?b=1" rel="noopener noreferrer nofollow"' in page


def test_the_raw_json_is_what_was_sent(key: str, client: FlaskClient) -> None:
    stored = send(client, key, "IOError", backtrace=["/a.py:1 in f"], context={"a": {"b": ["c", 1.5, None]}})
    raw = client.get(f"/problems/{stored['problem_id']}/notices/{stored['id']}/json").get_json()
    assert raw["context"] == {"a": {"b": ["c", 1.5, None]}}
    assert raw["backtrace"] == ["/a.py:1 in f"]
    assert raw["error_class"] == "IOError"


def test_without_a_backtrace_the_page_says_so(key: str, client: FlaskClient) -> None:
    send(client, key, "IOError")
    assert "This notice has no stack trace." in client.get("/problems/1/notices/1").text


def test_adjacent_notices_are_ordered_by_time_and_then_by_id(key: str, make: Factory, client: FlaskClient) -> None:
    moment = clock.now()
    problem = make.problem(1)
    newest = make.notice(problem, at=moment)
    oldest = make.notice(problem, at=moment - timedelta(hours=1))
    same = [make.notice(problem, at=moment - timedelta(minutes=1)) for _ in range(2)]
    order = [oldest, *same, newest]
    for place, notice in enumerate(order):
        page = client.get(f"/problems/{problem}/notices/{notice}").text
        older = f'rel="prev" data-key="older" href="/problems/{problem}/notices/{order[place - 1]}"'
        assert (older in page) == (place > 0)
        if place < len(order) - 1:
            assert f'rel="next" data-key="newer" href="/problems/{problem}/notices/{order[place + 1]}"' in page
        else:
            assert 'data-key="newer"' not in page


def test_a_notice_of_another_problem_is_not_found(key: str, make: Factory, client: FlaskClient) -> None:
    first, second = make.problem(1, notices=1), make.problem(1, notices=1)
    assert client.get(f"/problems/{first}/notices/1").status_code == 200
    assert client.get(f"/problems/{second}/notices/1").status_code == 404
    assert client.get(f"/problems/{first}/notices/1{'0' * 30}").status_code == 404
