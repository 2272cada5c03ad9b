"""What a search may cost: only so many characters are searched for, and no query runs for long."""

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.db.transactions import begin_writing
from checkend.models import Problem
from checkend.models.search_index import search_text
from tests.support.factories import Factory
from tests.support.pages import sign_in

PROBLEMS = "/api/v1/apps/shop/problems"


def fill(app: Flask, number: int, message: str) -> None:
    """Put that many problems into app 1."""
    moment = clock.now()
    with app.app_context():
        begin_writing()
        for one in range(number):
            text = f"{message} {one}"
            db.session.add(
                Problem(
                    app_id=1,
                    error_class="E",
                    first_message=text,
                    search_text=search_text("E", text),
                    fingerprint=f"f{one}",
                    grouping_version=1,
                    first_noticed_at=moment,
                    last_noticed_at=moment,
                )
            )
        db.session.commit()


def test_200_characters_are_searched_for_and_what_follows_does_not_matter(
    client: FlaskClient, make: Factory, key_for: Any
) -> None:
    wanted = make.problem(make.app()["id"], error_message="é" * 150 + "x" * 150)
    headers = key_for()

    def found(search: str) -> list[int]:
        answer = client.get(PROBLEMS, query_string={"search": search}, headers=headers).json
        return [problem["id"] for problem in (answer or {})["data"]]

    assert found("É" * 150 + "x" * 50) == [wanted]
    assert found("É" * 150 + "x" * 50 + "something else") == [wanted]
    assert found("é" * 150 + "x" * 49 + "y") == []


def test_the_page_says_that_the_search_was_cut(client: FlaskClient, make: Factory) -> None:
    make.user("admin@example.com", site_admin=True)
    make.problem(make.app()["id"], error_message="a" * 300)
    sign_in(client, "admin@example.com")
    note = "Only its first 200 characters were used."
    assert note not in client.get("/problems", query_string={"search": "a" * 200}).get_data(as_text=True)
    page = client.get("/problems", query_string={"search": "a" * 201}).get_data(as_text=True)
    assert note in page
    assert "a" * 201 in page


def test_a_search_for_4000_equal_characters_costs_little(
    app: Flask, client: FlaskClient, make: Factory, key_for: Any
) -> None:
    make.app()
    fill(app, 300, "a" * 990)
    headers = key_for()
    began = time.process_time()
    answer = client.get(PROBLEMS, query_string={"search": "a" * 4000}, headers=headers)
    assert time.process_time() - began < 1
    assert answer.status_code == 200
    assert (answer.json or {})["pagination"]["total"] == 300


@pytest.mark.parametrize("search", ["aa", "a" * 100])
def test_a_query_that_takes_too_long_is_stopped_and_says_so(
    app: Flask, client: FlaskClient, make: Factory, key_for: Any, monkeypatch: pytest.MonkeyPatch, search: str
) -> None:
    make.app()
    make.user("admin@example.com", site_admin=True)
    fill(app, 200, "a" * 990)
    headers = key_for()
    sign_in(client, "admin@example.com")
    monkeypatch.setattr("checkend.db.read_deadline.READ_SECONDS", -1.0)
    monkeypatch.setattr("checkend.db.read_deadline.STEPS_BETWEEN_CHECKS", 50)
    with app.app_context():
        db.engine.dispose()
    answer = client.get(PROBLEMS, query_string={"search": search}, headers=headers)
    assert (answer.status_code, (answer.json or {})["error"]) == (503, "unavailable")
    assert (answer.json or {})["message"].startswith("The search took longer than 5 seconds and was stopped.")
    page = client.get("/problems", query_string={"search": search})
    assert page.status_code == 503
    assert "was stopped. Search for fewer or other words" in page.get_data(as_text=True)
    monkeypatch.undo()
    with app.app_context():
        db.engine.dispose()
    assert client.get(PROBLEMS, query_string={"search": search}, headers=headers).status_code == 200


def test_what_is_no_request_and_what_writes_has_no_deadline(
    app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.app()
    fill(app, 200, "message")
    monkeypatch.setattr("checkend.db.read_deadline.READ_SECONDS", -1.0)
    monkeypatch.setattr("checkend.db.read_deadline.STEPS_BETWEEN_CHECKS", 50)
    scan = db.select(db.func.count()).where(Problem.search_text.contains("ess"))
    with app.app_context():
        db.engine.dispose()
        assert db.session.scalar(scan) == 200
    with app.test_request_context():
        begin_writing()
        assert db.session.scalar(scan) == 200
