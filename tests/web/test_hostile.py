"""Hostile content in reports: displayed as text, never executed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.db.session import db
from checkend.models import App
from checkend.services import services
from tests.support.factories import Factory
from tests.support.hostile_texts import FORBIDDEN, LONG, NASTY, SCRIPT, hostile_report
from tests.support.pages import sign_in, submit

PAGES = (
    "/",
    "/problems",
    "/problems?status=all&search=evil&tags=ok",
    "/apps/shop/problems",
    "/problems/1",
    "/problems/1/notices",
    "/problems/1/notices/1",
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """Provide a server that does not truncate texts, so that the pages have to handle them."""
    app = create_app({"RATE_LIMIT_ENABLED": "false", "LIMIT_TEXT": 1_000_000}, instance_path=tmp_path / "instance")
    yield app
    services(app).close()


@pytest.fixture
def attacked(client: FlaskClient, make: Factory) -> FlaskClient:
    """Provide a signed-in browser at a server with a problem of two hostile reports."""
    make.user("ada@example.com", site_admin=True)
    app = make.app("Shop", environment=SCRIPT)
    make.run(lambda: db.session.get_one(App, app["id"]).change(name=f"Shop {SCRIPT}"))
    report = hostile_report()
    for _ in range(2):
        report["error"]["backtrace"].append("/srv/other.py:1 in other")
        report["error"]["fingerprint"] = NASTY
        answer = client.post("/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": app["ingestion_key"]})
        assert answer.status_code == 201, answer.text
    sign_in(client, "ada@example.com")
    return client


@pytest.mark.parametrize("page", PAGES)
def test_hostile_text_neither_runs_nor_hides(attacked: FlaskClient, page: str) -> None:
    answer = attacked.get(page)
    assert answer.status_code == 200
    text = answer.get_data().decode("utf-8")
    found = [bad for bad in FORBIDDEN if bad in text]
    assert not found
    assert "&lt;script&gt;window.hacked" in text  # displayed as text


def test_a_search_for_hostile_text_is_shown_as_text(attacked: FlaskClient) -> None:
    answer = attacked.get("/problems", query_string={"search": NASTY, "tags": NASTY, "environment": NASTY})
    assert answer.status_code == 200
    assert "<script>window" not in answer.text
    assert "onerror='" not in answer.text


def test_nothing_of_a_long_text_is_lost(attacked: FlaskClient) -> None:
    page = attacked.get("/problems/1/notices/1").text
    assert LONG in page
    assert "Show all 100," in page
    assert LONG in attacked.get("/problems/1/notices/1/json").get_json()["error_message"]


def test_lists_do_not_carry_long_texts(attacked: FlaskClient) -> None:
    for page in ("/", "/problems", "/problems/1/notices"):
        assert len(attacked.get(page).data) < 60_000, page


def test_hostile_tags_and_flashes_are_text_too(attacked: FlaskClient) -> None:
    answer = submit(attacked, "/problems/1/tags", {"tag": NASTY})
    assert "<script>window" not in attacked.get(answer.headers["Location"]).text
    answer = submit(attacked, "/problems", {"action": "tag", "tag": NASTY, "scope": "all"})
    assert "<script>window" not in attacked.get(answer.headers["Location"]).text


def test_hostile_problems_can_be_worked_with(attacked: FlaskClient, app: Flask) -> None:
    submit(attacked, "/problems/1/resolve")
    assert "resolved <time" in attacked.get("/problems/1").text
    assert (
        submit(attacked, "/problems?status=all", {"action": "delete", "scope": "all", "confirmed": "yes"}).status_code
        == 302
    )
    assert attacked.get("/problems/1").status_code == 404


def test_deep_nesting_is_shown_or_refused_but_never_breaks_a_page(client: FlaskClient, make: Factory) -> None:
    make.user("ada@example.com", site_admin=True)
    key = make.app("Shop")["ingestion_key"]
    text = '{"error":{"class":"Deep"},"context":{"a":' + "[" * 300 + "1" + "]" * 300 + "}}"
    answer = client.post("/ingest/v1/errors", data=text, headers={"Checkend-Ingestion-Key": key})
    sign_in(client, "ada@example.com")
    if answer.status_code == 201:
        assert client.get("/problems/1/notices/1").status_code == 200
    else:
        assert answer.status_code == 400
