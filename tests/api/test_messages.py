"""A problem shows the message of its latest stored notice, and search finds that and the first one."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.schema import database_path
from checkend.models.search_index import index_latest_messages, search_text
from tests.support.factories import Factory
from tests.support.pages import sign_in

Send = Callable[..., dict[str, Any]]
Read = Callable[..., Any]


@pytest.fixture
def shop(make: Factory) -> dict[str, Any]:
    return make.app()


@pytest.fixture
def send(client: FlaskClient, shop: dict[str, Any]) -> Send:
    """Return ``send("a message", line=1)``. All reports belong to one problem; a repeated line makes a duplicate."""

    def report(message: Any, line: int, **error: Any) -> dict[str, Any]:
        error = {"class": "E", "message": message, "fingerprint": "one", "backtrace": [f"/a.py:{line} in f"], **error}
        response = client.post(
            "/ingest/v1/errors", json={"error": error}, headers={"Checkend-Ingestion-Key": shop["ingestion_key"]}
        )
        assert response.status_code == 201
        return dict(response.json or {})

    return report


@pytest.fixture
def read(client: FlaskClient, key_for: Any) -> Read:
    headers = key_for()
    return lambda path="", **query: (
        client.get(f"/api/v1/apps/shop/problems{path}", query_string=query, headers=headers).json
    )


def is_found(read: Read, text: str) -> bool:
    response: list[Any] = read(search=text)["data"]
    return bool(response)


@pytest.mark.parametrize("indexed", [False, True], ids=["at once", "once the index has it"])
def test_the_latest_is_shown_and_found_and_the_first_is_still_found(
    app: Flask, client: FlaskClient, send: Send, read: Read, indexed: bool
) -> None:
    for line, message in enumerate(("Could not load basket 1", "could not load BASKET 27", "no basket at all Ü")):
        send(message, line)
    if indexed:
        with app.app_context():
            assert list(index_latest_messages()) == [1]
            assert list(index_latest_messages()) == []
    assert read("/1")["error_message"] == read()["data"][0]["error_message"] == "no basket at all Ü"
    assert [is_found(read, text) for text in ("AT ALL ü", "could not load basket 1", '"e\nno"', "27 or so")] == [
        True,
        True,
        False,
        False,
    ]
    assert is_found(read, "ü")
    with closing(sqlite3.connect(database_path(Path(app.instance_path)))) as database:
        database.execute("INSERT INTO problems_search(problems_search, rank) VALUES ('integrity-check', 1)")


def test_a_duplicate_does_not_change_it(send: Send, read: Read) -> None:
    send("first", 1)
    send("second", 2)
    assert send("counted only", 1)["deduplicated"] is True
    assert read("/1")["error_message"] == "second"
    assert not is_found(read, "counted only")


def test_an_earlier_occurrence_does_not_change_it_even_if_it_arrives_later(send: Send, read: Read) -> None:
    now = clock.now()
    send("of noon", 1, occurred_at=(now - timedelta(hours=2)).isoformat())
    send("of morning", 2, occurred_at=(now - timedelta(hours=6)).isoformat())
    assert read("/1")["error_message"] == "of noon"
    assert send("a duplicate of now", 1)["deduplicated"] is True
    send("of the afternoon", 3, occurred_at=(now - timedelta(hours=1)).isoformat())
    assert read("/1")["error_message"] == "of the afternoon"


def test_it_is_the_first_again_when_that_is_sent_again(app: Flask, send: Send, read: Read) -> None:
    for line, message in enumerate(("first", "second", "first")):
        send(message, line)
    assert read("/1")["error_message"] == "first"
    with closing(sqlite3.connect(database_path(Path(app.instance_path)))) as database:
        assert database.execute("SELECT latest_message FROM problems").fetchone() == (None,)


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_missing_message_is_null(
    app: Flask, client: FlaskClient, send: Send, read: Read, nothing: str | None
) -> None:
    sent = send(nothing, 1)
    assert read("/1")["error_message"] is None
    assert read(f"/1/notices/{sent['id']}")["error_message"] is None
    later = send("a message", 2)
    assert read("/1")["error_message"] == "a message"
    assert read(f"/1/notices/{sent['id']}")["error_message"] is None
    assert read(f"/1/notices/{later['id']}")["error_message"] == "a message"
    send(nothing, 3)
    assert read("/1")["error_message"] is None
    assert is_found(read, "a message") is False


@pytest.mark.parametrize(
    ("first", "latest", "shares"),
    [(2_000, 0, (997, 0)), (2_000, 2_000, (498, 498)), (100, 2_000, (100, 896)), (2_000, 100, (896, 100))],
)
def test_both_messages_are_part_of_the_indexed_text(first: int, latest: int, shares: tuple[int, int]) -> None:
    text = search_text("Cc", "", "F" * first, "L" * latest)
    assert (text.count("f"), text.count("l")) == shares
    assert len(text) <= 1_000


def test_pages_show_the_latest_message_or_that_there_is_none(client: FlaskClient, make: Factory, send: Send) -> None:
    make.user("admin@example.com", site_admin=True)
    send("the first of all", 1)
    send("the latest of all", 2)
    sign_in(client, "admin@example.com")
    assert "the latest of all" in client.get("/problems").get_data(as_text=True)
    page = client.get("/problems/1").get_data(as_text=True)
    assert page.index("the latest of all") < page.index("the first of all")  # among its notices
    sent = send(None, 3)
    for address in ("/problems", "/problems/1", f"/problems/1/notices/{sent['id']}"):
        assert "(no message)" in client.get(address).get_data(as_text=True), address
    assert client.get("/problems/1/markdown").status_code == 200
