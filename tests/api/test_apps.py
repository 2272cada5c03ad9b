"""Apps."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from checkend.models import selection
from tests.support.api import Api, assert_error, assert_times
from tests.support.factories import Factory

SHAPE = [
    "id",
    "name",
    "slug",
    "environment",
    "notify_on_new_problem",
    "notify_on_reoccurrence",
    "retention_days",
    "retention_notices",
    "disabled_grouping_rules",
    "created_at",
    "updated_at",
    "unresolved_problems_count",
]


def test_a_new_app_has_its_defaults_and_shows_its_key_once(api: Api) -> None:
    response = api.post("/apps", {"name": "My Shop"})
    assert response.status_code == 201
    created = response.get_json()
    assert list(created) == [*SHAPE, "ingestion_key"]
    key = created.pop("ingestion_key")
    assert len(key) > 30
    assert_times(created)
    assert created | {"created_at": 0, "updated_at": 0} == {
        "id": 1,
        "name": "My Shop",
        "slug": "my-shop",
        "environment": None,
        "notify_on_new_problem": True,
        "notify_on_reoccurrence": True,
        "retention_days": None,
        "retention_notices": None,
        "disabled_grouping_rules": [],
        "created_at": 0,
        "updated_at": 0,
        "unresolved_problems_count": 0,
    }
    assert api.get("/apps/my-shop").get_json() == created
    assert api.get("/apps/1").get_json() == created
    assert api.get("/apps").get_json() == [created]


def test_all_fields_can_be_set(api: Api) -> None:
    fields = {
        "name": "A",
        "environment": "staging",
        "notify_on_new_problem": False,
        "notify_on_reoccurrence": False,
        "retention_days": 0,
        "retention_notices": 500,
        "disabled_grouping_rules": ["helpers", "wording"],
    }
    created = api.post("/apps", fields).get_json()
    assert {name: created[name] for name in fields} == fields


@pytest.mark.parametrize("body", [{"name": "A"}, {"app": {"name": "A"}}], ids=["bare", "root key"])
def test_a_body_may_be_bare_or_under_its_root_key(api: Api, body: dict[str, Any]) -> None:
    assert api.post("/apps", body).get_json()["name"] == "A"
    assert api.patch("/apps/1", body).get_json()["name"] == "A"


def test_the_newest_app_comes_first(api: Api) -> None:
    for name in ("One", "Two", "Three"):
        api.post("/apps", {"name": name})
    assert [app["name"] for app in api.get("/apps").get_json()] == ["Three", "Two", "One"]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_change_touches_only_what_is_sent(api: Api, method: str) -> None:
    api.post("/apps", {"name": "My Shop", "environment": "staging", "notify_on_new_problem": False})
    changed = api.call(method, "/apps/my-shop", {"name": "Your Shop"}).get_json()
    assert (changed["name"], changed["environment"], changed["notify_on_new_problem"]) == (
        "Your Shop",
        "staging",
        False,
    )
    assert changed["slug"] == "my-shop"
    assert api.call(method, "/apps/my-shop", {}).get_json() == changed
    assert api.call(method, "/apps/my-shop", {"environment": None}).get_json()["environment"] is None


def test_a_response_can_be_sent_back(api: Api) -> None:
    created = api.post("/apps", {"name": "A"}).get_json()
    response = api.patch("/apps/a", created | {"slug": "x", "id": 9, "unresolved_problems_count": 7, "created_at": "x"})
    assert response.status_code == 200
    shown = api.get("/apps/a").get_json()
    assert api.patch("/apps/a", shown).get_json() | {"updated_at": 0} == shown | {"updated_at": 0}
    assert api.put("/apps/a", {"app": shown}).status_code == 200


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({}, ["Name can't be blank."]),
        ({"name": ""}, ["Name can't be blank."]),
        ({"name": " \t "}, ["Name can't be blank."]),
        ({"name": None}, ["Name can't be blank."]),
        ({"name": 5}, ["Name must be text."]),
        ({"name": ["A"]}, ["Name must be text."]),
        ({"name": "a" * 256}, ["Name must be at most 255 characters."]),
        ({"name": "a\x00b"}, ["Name must not contain control characters."]),
        ({"name": "a\nb"}, ["Name must not contain control characters."]),
        ({"name": "\ud800"}, ["Name must not contain control characters."]),
        ({"name": "A", "environment": 1}, ["Environment must be text."]),
        *[
            (
                {"name": "A", "retention_days": days},
                ["Retention days must be a whole number from 0 to 36,500, or null."],
            )
            for days in (-1, 36_501, "7", 1.5, True, [7], 10**19)
        ],
        *[
            (
                {"name": "A", "disabled_grouping_rules": rules},
                [
                    "Disabled grouping rules must be a list of any of libraries, enclosing, helpers, recursion, "
                    "wording, values."
                ],
            )
            for rules in ("wording", None, ["wordings"], [1], [["wording"]], {"wording": True})
        ],
        ({"name": "A", "notify_on_new_problem": "True"}, ["Notify on new problem must be true or false."]),
        ({"name": "A", "notify_on_new_problem": "yes"}, ["Notify on new problem must be true or false."]),
        ({"name": "A", "notify_on_new_problem": 1}, ["Notify on new problem must be true or false."]),
        ({"name": "A", "notify_on_reoccurrence": None}, ["Notify on reoccurrence must be true or false."]),
        ({"name": "A", "colour": "red"}, ["Unknown field: colour."]),
        ({"name": "A", "a\nb": 1}, ["Unknown field: 'a\\nb'."]),
        (
            {"colour": "red", "environment": 1},
            ["Name can't be blank.", "Environment must be text.", "Unknown field: colour."],
        ),
    ],
)
def test_each_error_is_reported_and_nothing_is_created(api: Api, fields: Any, messages: list[str]) -> None:
    assert_error(api.post("/apps", fields), 422, *messages)
    assert api.get("/apps").get_json() == []


def test_a_rejected_change_changes_nothing(api: Api) -> None:
    api.post("/apps", {"name": "A"})
    before = api.get("/apps/a").get_json()
    assert_error(api.patch("/apps/a", {"environment": "x", "name": ""}), 422, "Name can't be blank.")
    assert api.get("/apps/a").get_json() == before


def test_names_are_trimmed_and_may_be_as_long_as_255_characters(api: Api) -> None:
    assert api.post("/apps", {"name": "  A  "}).get_json()["name"] == "A"
    assert api.post("/apps", {"name": "é" * 255}).get_json()["name"] == "é" * 255


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Shop", "my-shop"),
        ("  --My__Shop!! ", "my-shop"),
        ("Größe & Co.", "gr-e-co"),
        ("日本語", "app"),
        ("---", "app"),
        ("💥", "app"),
        ("A'; DROP TABLE apps;--", "a-drop-table-apps"),
        ("../../etc", "etc"),
        ("123", "app-123"),
        ("a%_b", "a-b"),
    ],
)
def test_the_slug_is_derived_from_the_name(api: Api, name: str, slug: str) -> None:
    assert api.post("/apps", {"name": name}).get_json()["slug"] == slug
    assert api.get(f"/apps/{slug}").get_json()["name"] == name.strip()


def test_a_slug_in_use_gets_the_next_free_number(api: Api) -> None:
    def slugs(*names: str) -> list[str]:
        return [api.post("/apps", {"name": name}).get_json()["slug"] for name in names]

    assert slugs("Shop", "shop", "SHOP!", "Shop 2", "Shop") == ["shop", "shop-1", "shop-2", "shop-2-1", "shop-3"]
    api.delete("/apps/shop-1")
    assert slugs("Shop") == ["shop-1"]
    assert slugs("日本", "中国") == ["app", "app-1"]


def test_an_app_named_like_an_id_does_not_shadow_it(api: Api) -> None:
    api.post("/apps", {"name": "First"})
    assert api.post("/apps", {"name": "1"}).get_json()["slug"] == "app-1"
    assert api.get("/apps/1").get_json()["name"] == "First"
    assert api.get("/apps/2").get_json() == api.get("/apps/app-1").get_json()
    assert api.get("/apps/first").get_json()["id"] == 1


@pytest.mark.parametrize(
    "reference", ["nope", "0", "-1", "1.0", "+1", " 1", "99999999999999999999", "%00", "Shop", "\u0661"]
)
def test_an_unknown_app_is_not_found(api: Api, make: Factory, reference: str) -> None:
    make.app("Shop")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert_error(api.call(method, f"/apps/{reference}", {"name": "B"}), 404, "App not found.")
    assert len(api.get("/apps").get_json()) == 1


def test_a_new_ingestion_key_replaces_the_old_one(api: Api) -> None:
    old = api.post("/apps", {"name": "A"}).get_json()["ingestion_key"]
    response = api.post("/apps/a/regenerate_ingestion_key")
    assert response.status_code == 200
    assert list(response.get_json()) == [*SHAPE, "ingestion_key"]
    new = response.get_json()["ingestion_key"]
    assert new != old
    reports = [
        api.client.post("/ingest/v1/errors", headers={"Checkend-Ingestion-Key": key}, json={"error": {"class": "E"}})
        for key in (old, new)
    ]
    assert [report.status_code for report in reports] == [401, 201]


def test_no_other_response_shows_the_key(api: Api, make: Factory) -> None:
    key = api.post("/apps", {"name": "A"}).get_json()["ingestion_key"]
    team_id = make.team()
    api.post(f"/teams/{team_id}/apps", {"app_id": "a"})
    responses = [api.get("/apps"), api.get("/apps/a"), api.patch("/apps/a", {}), api.get(f"/teams/{team_id}/apps")]
    for response in responses:
        assert response.status_code == 200
        assert key not in response.get_data(as_text=True)


def test_the_ingestion_key_cannot_be_chosen(api: Api) -> None:
    key = api.post("/apps", {"name": "A", "ingestion_key": "mine"}).get_json()["ingestion_key"]
    assert key != "mine"


def test_deleting_an_app_deletes_all_of_its_data_and_nothing_else(
    api: Api, app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "PROBLEM_BATCH_SIZE", 2)
    for name in ("Kept", "Gone"):
        shop = make.app(name)
        for _ in range(1 if name == "Kept" else 5):
            problem_id = make.problem(shop["id"], notices=3, error_message=f"needle in {name}")
        api.post(f"/apps/{shop['slug']}/problems/{problem_id}/tags", {"name": "x"})
    team_id = make.team()
    api.post(f"/teams/{team_id}/apps", {"app_id": "gone"})

    assert api.delete("/apps/gone").status_code == 204
    assert api.delete("/apps/gone").status_code == 404
    assert api.get("/apps/2/problems/2").status_code == 404
    assert api.get(f"/teams/{team_id}/apps").get_json() == []
    assert [problem["id"] for problem in api.get("/apps/kept/problems", search="needle").get_json()["data"]] == [1]
    with sqlite3.connect(Path(app.instance_path) / "checkend.sqlite3") as database:
        counted = [
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("apps", "problems", "notices", "problem_tags", "team_apps")
        ]
        assert counted == [1, 1, 3, 1, 0]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        database.execute("INSERT INTO problems_search(problems_search, rank) VALUES ('integrity-check', 1)")
    database.close()


def test_ids_are_not_reused(api: Api) -> None:
    api.post("/apps", {"name": "A"})
    api.delete("/apps/a")
    assert api.post("/apps", {"name": "B"}).get_json()["id"] == 2


def test_the_response_to_a_deletion_has_no_body(api: Api, make: Factory) -> None:
    make.app("A")
    response = api.delete("/apps/a")
    assert (response.status_code, response.data, response.content_type) == (204, b"", None)


def test_booleans_may_be_sent_as_text(api: Api) -> None:
    app = api.post(
        "/apps", {"name": "A", "notify_on_new_problem": "false", "notify_on_reoccurrence": "true"}
    ).get_json()
    assert (app["notify_on_new_problem"], app["notify_on_reoccurrence"]) == (False, True)
    app = api.patch("/apps/a", {"notify_on_new_problem": "true", "notify_on_reoccurrence": "false"}).get_json()
    assert (app["notify_on_new_problem"], app["notify_on_reoccurrence"]) == (True, False)
