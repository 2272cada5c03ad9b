"""Upgrading a database of 0.1.0 loses and changes no row, except for what each migration documents.

tests/data/checkend-0.1.0.sqlite3.xz was created by version 0.1.0 itself (database version 0001): apps, users and API
keys on the command line; teams, members, assignments, tags and resolved problems through the API; reports through
POST /ingest/v1/errors (several messages per problem, duplicates, tags, more hosts than are counted individually, no
message, no backtrace, 63,000 characters, a null character, out of order, reopened); invitations, an app's settings and
a changed password in the dashboard; a problem without notices by `checkend prune`. Some apps, teams and users have
slugs that consist only of digits. Finally VACUUM and xz.
"""

import lzma
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.db import integrity
from checkend.db import schema as db_schema
from checkend.services import services
from tests.db.test_schema import schema
from tests.support.pages import sign_in
from tests.support.server_process import command

OLD = Path(__file__).parents[1] / "data" / "checkend-0.1.0.sqlite3.xz"
API_KEY = "cka_b1f6515625_KVm_GFLuUFPH2PXXi1bmubOI4BjWyXmYMXqhk72z"  # its "everything"
OWNER, PASSWORD = "owner@example.com", "correct horse battery"

# What the migrations change: for each table, the new columns and those whose values may differ. Each migration adds its
# own here, and documents them in its docstring.
NEW_COLUMNS = {
    "api_keys": {"restricted"},
    "apps": {"stored_bytes", "muted_problems_count"},
    "backtraces": {"app_id"},
    "problems": {
        *("latest_message", "search_pending", "regressed_at", "muted_at", "muted_by", "mute_reason", "muted_until"),
        *("mute_total", "mute_rate", "mute_rate_minutes", "mute_until_release", "level"),
    },
}
CHANGED_COLUMNS = {
    "alembic_version": {"version_num"},
    "problems": {"search_text"},
    "apps": {"slug"},
    "teams": {"slug"},
    "users": {"slug"},
}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database of 0.1.0."""
    path = tmp_path_factory.mktemp("old") / "old.sqlite3"
    path.write_bytes(lzma.decompress(OLD.read_bytes()))
    return path


@pytest.fixture(scope="module")
def upgraded(old: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of it, upgraded on the command line."""
    path = db_schema.database_path(tmp_path_factory.mktemp("upgraded"))
    path.write_bytes(old.read_bytes())
    assert command(path.parent, "db", "upgrade")["state"] == "migrated"
    return path


@pytest.fixture
def served(upgraded: Path, tmp_path: Path) -> Iterator[Flask]:
    """Start a server with a copy of the upgraded database."""
    db_schema.database_path(tmp_path).write_bytes(upgraded.read_bytes())
    app = create_app({}, instance_path=tmp_path)
    yield app
    services(app).close()


def tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, except for the search index, which is tested by searching."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted((dict(row) for row in database.execute(f"SELECT * FROM {name}")), key=repr)
            for name in names
            if not name.startswith("problems_search")
        }


def unchanged(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    leave_out = NEW_COLUMNS.get(table, set()) | CHANGED_COLUMNS.get(table, set())
    kept = ({name: value for name, value in row.items() if name not in leave_out} for row in rows)
    return sorted(kept, key=repr)


def test_the_upgrade_changes_only_what_the_migrations_document(old: Path, upgraded: Path) -> None:
    before, after = tables(old), tables(upgraded)
    assert before.keys() <= after.keys()
    assert [table for table, rows in before.items() if not rows] == []
    for table, rows in before.items():
        assert unchanged(table, after[table]) == unchanged(table, rows), table
        assert set(after[table][0]) - set(rows[0]) == NEW_COLUMNS.get(table, set()), table


def test_only_slugs_of_digits_change(old: Path, upgraded: Path) -> None:
    before, after = tables(old), tables(upgraded)
    for table, prefix in (("apps", "app"), ("teams", "team"), ("users", "user")):
        slugs = {row["id"]: row["slug"] for row in before[table]}
        renamed = {row["id"]: row["slug"] for row in after[table]}
        numeric = {number: slug for number, slug in slugs.items() if slug.isdigit()}
        assert numeric
        assert renamed == slugs | {number: f"{prefix}-{slug}" for number, slug in numeric.items()}


def test_the_upgraded_schema_equals_that_of_a_new_database(upgraded: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.sqlite3"
    db_schema.create_or_migrate(fresh)
    assert schema(upgraded) == schema(fresh)
    assert db_schema.version(upgraded) == db_schema.HEAD
    assert integrity.find_corruption(upgraded) == []
    assert integrity.find_wrong_counters(upgraded) == []


def test_each_problem_shows_the_message_of_its_latest_notice(old: Path, upgraded: Path) -> None:
    with closing(sqlite3.connect(old)) as database:
        latest = database.execute(
            "SELECT p.id, p.error_message, (SELECT coalesce(n.own_error_message, p.error_message) FROM notices n "
            "WHERE n.problem_id = p.id ORDER BY n.occurred_at DESC, n.id DESC LIMIT 1) FROM problems p"
        ).fetchall()
    with closing(sqlite3.connect(upgraded)) as database:
        for problem_id, first, message in latest:
            row = database.execute(
                "SELECT error_message, latest_message, length(search_text) FROM problems WHERE id = ?", (problem_id,)
            ).fetchone()
            assert row[0] == first
            assert row[1] == (None if message in (first, None) else message) or row[1].startswith(message[:1900])
            assert row[2] <= 1301


def test_the_pages_and_the_api_work_with_the_upgraded_database(served: Flask) -> None:
    client, headers = served.test_client(), {"Checkend-API-Key": API_KEY}
    for app in client.get("/api/v1/apps", headers=headers).json or []:
        page = client.get(f"/api/v1/apps/{app['id']}/problems?per_page=100", headers=headers).json
        assert page is not None
        assert page["pagination"]["total"] == len(page["data"])
        for problem in page["data"]:
            address = f"/api/v1/apps/{app['id']}/problems/{problem['id']}/notices"
            notices = client.get(address, headers=headers).json
            assert notices is not None
            if notices["data"]:
                assert (problem["error_message"] or "")[:1900] == (notices["data"][0]["error_message"] or "")[:1900]
    sign_in(client, OWNER, PASSWORD)
    for address in ("/", "/problems?status=all", "/apps", "/apps/shop", "/teams", "/problems/1", "/problems/1/notices"):
        assert client.get(address).status_code == 200, address


def test_search_finds_first_and_latest_messages(served: Flask) -> None:
    def found(client: FlaskClient, wanted: str) -> list[str]:
        response = client.get(
            "/api/v1/apps/shop/problems", query_string={"search": wanted}, headers={"Checkend-API-Key": API_KEY}
        )
        return [problem["error_class"] for problem in (response.json or {})["data"]]

    client = served.test_client()
    assert found(client, "invalid literal 0 für") == ["ValueError"]
    assert found(client, "invalid literal 11 FÜR") == ["ValueError"]
    assert found(client, "strasse strasse") == ["Long"]
    assert found(client, "undefined (reading 'currency')") == ["TypeError"]


def test_reports_continue_where_0_1_0_stopped(served: Flask) -> None:
    client, headers = served.test_client(), {"Checkend-API-Key": API_KEY}
    path = db_schema.database_path(Path(served.instance_path))
    with closing(sqlite3.connect(path)) as database:
        (key,) = database.execute("SELECT ingestion_key FROM apps WHERE slug = 'shop'").fetchone()
        (known,) = database.execute("SELECT id FROM problems WHERE error_class = 'OutOfOrder'").fetchone()
    report = {"error": {"class": "OutOfOrder", "message": "newest", "fingerprint": "order"}}
    response = client.post("/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": key})
    assert (response.json or {})["problem_id"] == known
    problem = client.get(f"/api/v1/apps/shop/problems/{known}", headers=headers).json
    assert (problem or {})["error_message"] == "newest"
    assert integrity.find_wrong_counters(path) == []
