"""The page of the audit log, and its export."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db.session import db
from checkend.models import ApiKey, App, AuditEntry, audit_query
from checkend.models.audit_events import SENTENCES
from checkend.web.views import audit_log as view
from tests.support.factories import Factory
from tests.support.pages import sign_in, submit


@pytest.fixture
def admin(client: FlaskClient, make: Factory) -> FlaskClient:
    """Return a browser in which a site admin is signed in."""
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    return client


def sentences(client: FlaskClient, page: str = "/audit-log") -> list[str]:
    """Return the sentences of the page, newest first."""
    rows = re.findall(r'<div class="main">(.*?)<div class="muted', client.get(page).text, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", "", row).split()) for row in rows]


def exported(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"/audit-log.jsonl{query}")
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


def test_entries_are_sentences(admin: FlaskClient, make: Factory) -> None:
    shop, desk = make.app("Shop")["id"], make.app("Desk")["id"]
    ids = [make.problem(shop) for _ in range(3)]
    submit(admin, "/problems", {"action": "resolve", "id": ids})
    submit(admin, "/problems", {"action": "tag", "tag": "urgent", "id": [ids[0], make.problem(desk)]})
    submit(admin, f"/problems/{ids[0]}/unresolve")
    value = make.run(lambda: ApiKey.create("deploys", ALL_PERMISSIONS)[1])
    headers = {"Checkend-API-Key": value}
    admin.patch("/api/v1/apps/shop", json={"environment": "staging"}, headers=headers)
    submit(admin.application.test_client(), "/sign-in", {"email_address": "eve@example.com", "password": "wrong"})
    found = sentences(admin)
    assert found[:2] + found[3:6] == [
        "Somebody who was not signed in failed to sign in as eve@example.com: wrong email address or password",
        f"API key deploys, {value[:14]} changed the app Shop: environment",
        "ada@example.com reopened the problem RuntimeError of Shop",
        "ada@example.com added the tag urgent to 2 problems of 2 apps",
        "ada@example.com resolved 3 problems of Shop",
    ]
    assert found[6:] == [
        "The command line created the app Desk",
        "The command line created the app Shop",
        "ada@example.com signed in",
        "The command line created the user ada@example.com",
    ]


def test_filters_and_pages(admin: FlaskClient, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        make.app(f"App {number}")
    monkeypatch.setattr(view, "PER_PAGE", 2)
    created = "The command line created the app App"
    assert sentences(admin, "/audit-log?event=app") == [f"{created} 2", f"{created} 1"]
    assert sentences(admin, "/audit-log?event=app&page=2") == [f"{created} 0"]
    assert 'href="/audit-log?event=app&amp;page=2"' in admin.get("/audit-log?event=app").text
    assert sentences(admin, "/audit-log?actor=user:1") == ["ada@example.com signed in"]
    assert sentences(admin, "/audit-log?app=app-1") == [f"{created} 1"]
    assert "No matching entries" in admin.get("/audit-log?target=nothing").text
    assert "This page does not exist" in admin.get("/audit-log?page=9").text


def test_an_empty_log_says_what_will_appear(admin: FlaskClient, make: Factory) -> None:
    make.run(lambda: db.session.execute(db.delete(AuditEntry)))
    assert "Nothing recorded yet" in admin.get("/audit-log").text


@pytest.mark.parametrize("query", ["event=x", "date_from=x", "before=x", "app=nowhere"])
def test_an_invalid_filter_is_an_error_on_the_page_and_in_the_export(query: str, admin: FlaskClient) -> None:
    response = admin.get(f"/audit-log?{query}")
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert admin.get(f"/audit-log.jsonl?{query}").status_code == 400


def test_names_cannot_inject_anything(admin: FlaskClient) -> None:
    submit(admin, "/teams", {"name": "<script>alert(1)</script>{target}"})
    page = admin.get("/audit-log").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{target}" in page
    assert "<script>alert" not in page


def test_the_export_has_all_entries_that_match_as_the_api_shows_them(
    admin: FlaskClient, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_query, "READ_BATCH_SIZE", 2)
    for number in range(4):
        make.app(f"App {number}")
    value = make.run(lambda: ApiKey.create("reader", ["audit:read"])[1])
    listed = admin.get("/api/v1/audit_log?per_page=100", headers={"Checkend-API-Key": value}).get_json()["data"]
    assert len(listed) == 7
    assert exported(admin) == listed
    assert exported(admin, "?event=app.created") == [row for row in listed if row["event"] == "app.created"]
    response = admin.get("/audit-log.jsonl")
    assert response.headers["Content-Disposition"] == 'attachment; filename="audit-log.jsonl"'
    assert exported(admin, "?target=nothing") == []


def test_the_export_reads_batches_and_holds_no_transaction_between_them(
    app: Flask, admin: FlaskClient, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_query, "READ_BATCH_SIZE", 2)
    monkeypatch.setattr(view, "LINES_PER_CHUNK", 1)
    for number in range(6):
        make.app(f"App {number}")
    lines = iter(admin.get("/audit-log.jsonl", buffered=False).response)
    first = json.loads(next(lines))
    make.run(lambda: db.session.execute(db.delete(AuditEntry).where(AuditEntry.id <= 4)))
    assert [first["id"], *(json.loads(line)["id"] for line in lines)] == [8, 7, 6, 5]


def test_every_placeholder_of_a_sentence_is_filled(admin: FlaskClient, make: Factory) -> None:
    def change() -> None:
        app = db.session.get_one(App, 1)
        app.change(name="Other")
        app.regenerate_ingestion_key()

    make.app("Shop")
    make.run(change)
    assert "?" not in "".join(sentences(admin))
    assert all(text[0].islower() for text in SENTENCES.values())
