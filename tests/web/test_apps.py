"""Apps in the dashboard: creation, settings, ingestion keys, connecting."""

import json
import re
import shlex
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.db.session import db
from checkend.grouping.fingerprint import RULES
from checkend.models import App
from checkend.web.presenters.snippets import snippets
from tests.support.factories import Factory
from tests.support.pages import sign_in, submit

LANGUAGES = ["curl", "Python", "Node", "Browser", "Next.js", "Ruby", "Go", "PHP", "Elixir", "Java", ".NET"]


@pytest.fixture(autouse=True)
def admin(client: FlaskClient, make: Factory) -> FlaskClient:
    """Provide a browser in which a site admin is signed in."""
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    return client


@pytest.fixture
def shop(make: Factory) -> dict[str, Any]:
    """Provide an app."""
    return make.app("Shop")


def _app(make: Factory) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        app = db.session.query(App).one()
        return {column.name: getattr(app, column.name) for column in App.__table__.columns}

    return make.run(read)


def _report(client: FlaskClient, key: str) -> int:
    headers = {"Checkend-Ingestion-Key": key}
    return client.post("/ingest/v1/errors", json={"error": {"class": "E"}}, headers=headers).status_code


def test_an_app_is_created_for_a_team_and_its_page_shows_the_key(admin: FlaskClient, make: Factory) -> None:
    team = make.team("Core")
    answer = submit(admin, "/apps/new", {"name": " Web shop ", "environment": "", "team": team})
    assert answer.location == "/apps/web-shop"
    assert _app(make)["environment"] is None
    assert _app(make)["name"] == "Web shop"
    assert _app(make)["ingestion_key"] in admin.get("/apps/web-shop").get_data(as_text=True)
    assert "Web shop" in admin.get("/teams/core").get_data(as_text=True)


def test_the_form_preselects_the_team_of_the_page_that_linked_to_it(admin: FlaskClient, make: Factory) -> None:
    make.team("Core")
    other = make.team("Other")
    assert f'value="{other}" selected' in admin.get(f"/apps/new?team={other}").get_data(as_text=True)


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x" * 256}, {"name": "a", "team": "99"}, {"name": "a"}])
def test_an_app_without_a_name_or_a_known_team_is_not_created(
    admin: FlaskClient, make: Factory, fields: dict[str, str]
) -> None:
    assert submit(admin, "/apps/new", {"team": "x"} | fields).status_code == 422
    assert make.run(App.newest_first) == []


def test_settings_are_saved(admin: FlaskClient, make: Factory, shop: dict[str, Any]) -> None:
    fields = {
        "name": "Shop 2",
        "environment": "staging",
        "retention_days": "30",
        "retention_notices": "",
        "grouping": [rule for rule in RULES if rule != "libraries"],
    }
    assert submit(admin, "/apps/shop/settings", fields).location == "/apps/shop/settings"
    saved = _app(make)
    assert {name: saved[name] for name in ("name", "slug", "environment")} == {
        "name": "Shop 2",
        "slug": "shop",
        "environment": "staging",
    }
    assert (saved["retention_days"], saved["retention_notices"]) == (30, None)
    assert saved["grouping_off"] == "libraries"


def test_retention_help_names_the_server_setting_and_0_keeps_notices_forever(
    admin: FlaskClient, app: Flask, make: Factory, shop: dict[str, Any]
) -> None:
    app.config["RETENTION_NOTICES"] = 0
    page = admin.get("/apps/shop/settings").get_data(as_text=True)
    assert "the server setting (90). Enter 0 to keep notices forever." in page
    assert "the server setting (keep all). Enter 0 to keep all." in page
    for days, notices in (("0", "0"), ("", "5"), ("36500", "")):
        fields = {"name": "Shop", "retention_days": days, "retention_notices": notices}
        assert submit(admin, "/apps/shop/settings", fields).status_code == 302
        saved = _app(make)
        expected = tuple(int(number) if number else None for number in (days, notices))
        assert (saved["retention_days"], saved["retention_notices"]) == expected
    page = admin.get("/apps/shop/settings").get_data(as_text=True)
    assert re.search(r'name="retention_days"[^>]*value="36500"', page)
    assert re.search(r'name="retention_notices"[^>]*value=""', page)


def test_the_settings_page_shows_what_is_saved_so_that_saving_it_changes_nothing(
    admin: FlaskClient, make: Factory, shop: dict[str, Any]
) -> None:
    make.run(lambda: db.session.query(App).one().change(retention_days=7, grouping_off="wording", environment="x"))
    page = admin.get("/apps/shop/settings").get_data(as_text=True)
    boxes = re.findall(r'type="checkbox" value="(\w+)" checked|name="grouping" id="\S+" value="(\w+)" checked', page)
    assert [rule for _, rule in boxes if rule] == [rule for rule in RULES if rule != "wording"]
    assert re.search(r'name="retention_days"[^>]*value="7"', page)


def test_notification_settings_are_on_the_alerts_page_and_saving_the_settings_keeps_them(
    admin: FlaskClient, make: Factory, shop: dict[str, Any]
) -> None:
    make.run(lambda: db.session.query(App).one().change(notify_on_new_problem=False))
    assert "notif" not in admin.get("/apps/shop/settings").text.lower()
    assert "notify_on_new_problem" in admin.get("/apps/shop/alerts").text
    assert submit(admin, "/apps/shop/settings", {"name": "Shop", "notify_on_reoccurrence": ""}).status_code == 302
    saved = _app(make)
    assert (saved["notify_on_new_problem"], saved["notify_on_reoccurrence"]) == (False, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"retention_days": "-1"},
        {"retention_days": "36501"},
        {"retention_days": "many"},
        {"retention_notices": "-1"},
        {"grouping": "no-such-rule"},
    ],
)
def test_invalid_settings_are_rejected_and_nothing_is_saved(
    admin: FlaskClient, make: Factory, shop: dict[str, Any], wrong: dict[str, str]
) -> None:
    before = _app(make)
    assert submit(admin, "/apps/shop/settings", {"name": "New", "environment": "new"} | wrong).status_code == 422
    assert _app(make) == before


def test_a_regenerated_key_replaces_the_old_one_at_once(
    admin: FlaskClient, make: Factory, shop: dict[str, Any]
) -> None:
    assert submit(admin, "/apps/shop/regenerate-key").location == "/apps/shop"
    new = _app(make)["ingestion_key"]
    assert (_report(admin, shop["ingestion_key"]), _report(admin, new)) == (401, 201)


def test_an_app_is_deleted_with_all_its_data_if_its_name_is_confirmed(
    admin: FlaskClient, make: Factory, shop: dict[str, Any]
) -> None:
    make.problem(shop["id"], notices=3)
    for wrong in ("", "shop", "Sho"):
        submit(admin, "/apps/shop/delete", {"confirm": wrong})
        assert admin.get("/apps/shop").status_code == 200
    assert submit(admin, "/apps/shop/delete", {"confirm": "Shop"}).location == "/apps"
    assert admin.get("/apps/shop").status_code == 404
    assert admin.get("/problems/1").status_code == 404


def test_a_test_error_goes_through_ingestion_and_the_page_notices(admin: FlaskClient, shop: dict[str, Any]) -> None:
    assert admin.get("/apps/shop/first-error").get_json() == {"problems": 0}
    assert 'data-poll="/apps/shop/first-error"' in admin.get("/apps/shop").get_data(as_text=True)
    submit(admin, "/apps/shop/test-error")
    assert "The test error was received." in admin.get("/apps/shop").get_data(as_text=True)
    assert admin.get("/apps/shop/first-error").get_json() == {"problems": 1}
    assert "data-poll" not in admin.get("/apps/shop").get_data(as_text=True)
    submit(admin, "/apps/shop/test-error")
    assert "was counted as a duplicate" in admin.get("/apps/shop").get_data(as_text=True)
    page = admin.get("/apps/shop/problems").get_data(as_text=True)
    assert "Checkend::TestError" in page


def test_a_test_error_does_not_wait_for_a_lock_of_its_own_request(admin: FlaskClient, shop: dict[str, Any]) -> None:
    import time

    started = time.monotonic()
    submit(admin, "/apps/shop/test-error")
    assert time.monotonic() - started < 5


def test_every_language_has_a_snippet_with_the_real_key_and_address(admin: FlaskClient, shop: dict[str, Any]) -> None:
    found = snippets("cki_k", "http://errors.example.com")
    assert [snippet.label for snippet in found] == LANGUAGES
    for snippet in found:
        assert "cki_k" in snippet.code
        assert "http://errors.example.com" in snippet.code
        assert "<key>" not in snippet.code
        assert "<address>" not in snippet.code
    page = admin.get("/apps/shop", base_url="http://localhost").get_data(as_text=True)
    assert page.count(shop["ingestion_key"]) > 2 * len(LANGUAGES)
    assert "curl http://localhost/ingest/v1/errors" in page


def test_snippets_use_the_configured_url(app: Flask, admin: FlaskClient, shop: dict[str, Any]) -> None:
    app.config["URL"] = "http://errors.example.com"
    assert "curl http://errors.example.com/ingest/v1/errors" in admin.get("/apps/shop").get_data(as_text=True)


def test_the_report_of_the_curl_snippet_is_accepted(client: FlaskClient, shop: dict[str, Any]) -> None:
    words = shlex.split(snippets(shop["ingestion_key"], "http://localhost")[0].code.replace("\\\n", " "))
    headers = dict(word.split(": ") for word, flag in zip(words[1:], words, strict=False) if flag == "-H")
    body = words[words.index("-d") + 1]
    assert json.loads(body)["error"]["class"] == "HelloError"
    assert client.post(words[1].removeprefix("http://localhost"), data=body, headers=headers).status_code == 201


def test_the_list_shows_apps_by_name_and_an_empty_one_says_what_to_do(admin: FlaskClient, make: Factory) -> None:
    assert "Create an app" in admin.get("/apps").get_data(as_text=True)
    make.app("Zoo")
    make.app("<b>Ape</b>")
    text = admin.get("/apps").get_data(as_text=True)
    assert text.index("&lt;b&gt;Ape&lt;/b&gt;") < text.index("Zoo")
