"""Limits on the cost of a search: the length of the text, and a deadline for queries."""

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import Problem
from checkend.models.search_index import search_text
from tests.support.factories import Factory
from tests.support.pages import sign_in

PROBLEMS = "/api/v1/apps/shop/problems"


def fill(app: Flask, number: int, message: str) -> None:
    """Create ``number`` problems in app 1."""
    now = clock.now()
    with app.app_context(), write_transaction():
        for one in range(number):
            text = f"{message} {one}"
            db.session.add(
                Problem(
                    app_id=1,
                    error_class="E",
                    first_message=text,
                    search_text=search_text("E", "", text),
                    fingerprint=f"f{one}",
                    grouping_version=1,
                    first_noticed_at=now,
                    last_noticed_at=now,
                )
            )


def test_only_the_first_200_characters_of_a_search_are_used(client: FlaskClient, make: Factory, key_for: Any) -> None:
    wanted = make.problem(make.app()["id"], error_message="é" * 150 + "x" * 150)
    headers = key_for()

    def found(search: str) -> list[int]:
        response = client.get(PROBLEMS, query_string={"search": search}, headers=headers).json
        return [problem["id"] for problem in (response or {})["data"]]

    assert found("É" * 150 + "x" * 50) == [wanted]
    assert found("É" * 150 + "x" * 50 + "something else") == [wanted]
    assert found("é" * 150 + "x" * 49 + "y") == []


def test_the_page_says_that_the_search_was_truncated(client: FlaskClient, make: Factory) -> None:
    make.user("admin@example.com", site_admin=True)
    make.problem(make.app()["id"], error_message="a" * 300)
    sign_in(client, "admin@example.com")
    note = "The search text is too long. Only its first 200 characters were used."
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
    response = client.get(PROBLEMS, query_string={"search": "a" * 4000}, headers=headers)
    assert time.process_time() - began < 1
    assert response.status_code == 200
    assert (response.json or {})["pagination"]["total"] == 300


@pytest.mark.parametrize("search", ["aa", "a" * 100])
def test_a_query_that_takes_too_long_is_interrupted_with_a_message(
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
    response = client.get(PROBLEMS, query_string={"search": search}, headers=headers)
    assert (response.status_code, (response.json or {})["error"]) == (503, "unavailable")
    assert (response.json or {})["message"].startswith("The search took longer than 5 seconds and was stopped.")
    page = client.get("/problems", query_string={"search": search})
    assert page.status_code == 503
    assert "was stopped. Search for fewer or other words" in page.get_data(as_text=True)
    monkeypatch.undo()
    with app.app_context():
        db.engine.dispose()
    assert client.get(PROBLEMS, query_string={"search": search}, headers=headers).status_code == 200


def test_only_reads_of_requests_have_a_deadline(app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    make.app()
    fill(app, 200, "message")
    monkeypatch.setattr("checkend.db.read_deadline.READ_SECONDS", -1.0)
    monkeypatch.setattr("checkend.db.read_deadline.STEPS_BETWEEN_CHECKS", 50)
    scan = db.select(db.func.count()).where(Problem.search_text.contains("ess"))
    with app.app_context():
        db.engine.dispose()
        assert db.session.scalar(scan) == 200
    with app.test_request_context(), write_transaction():
        assert db.session.scalar(scan) == 200
