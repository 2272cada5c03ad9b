"""Slugs that consist only of digits, which releases up to 0.1.0 created: an upgrade renames them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from checkend.app import create_app
from checkend.db import schema
from checkend.db.session import db
from checkend.models import App, Team, User
from checkend.models.slugs import by_slug_or_id
from checkend.services import services
from tests.support.factories import Factory

SLUGS = {
    "apps": ["shop", "1", "app-1", "2", "app-2", "app-2-1", "1a", "0007"],
    "teams": ["2024", "core"],
    "users": ["42", "user-42", "ada"],
}
RENAMED = {
    "apps": ["shop", "app-1-1", "app-1", "app-2-2", "app-2", "app-2-1", "1a", "app-0007"],
    "teams": ["team-2024", "core"],
    "users": ["user-42-1", "user-42", "ada"],
}


@pytest.fixture
def old_database(tmp_path: Path) -> Path:
    """Return a database of release 0.1.0 with the records of `SLUGS`, in the order of their ids."""
    path = schema.database_path(tmp_path)
    command.upgrade(schema.alembic_config(path), "0001")
    with closing(sqlite3.connect(path)) as database, database:
        for number, slug in enumerate(SLUGS["users"]):
            values = (slug, f"user{number}@example.com")
            database.execute("INSERT INTO users VALUES (NULL, ?, ?, 'x', 0, NULL, 0, 0)", values)
        for slug in SLUGS["teams"]:
            database.execute("INSERT INTO teams VALUES (NULL, ?, ?, 1, 0, 0)", (slug, slug))
        for slug in SLUGS["apps"]:
            columns = "(slug, name, ingestion_key, notify_on_new_problem, notify_on_reoccurrence, problems_count, "
            columns += "unresolved_problems_count, grouping_off, created_at, updated_at)"
            database.execute(f"INSERT INTO apps {columns} VALUES (?, ?, ?, 1, 1, 0, 0, '', 0, 0)", (slug, slug, slug))
    return path


def test_an_upgrade_renames_slugs_of_digits_and_keeps_every_slug_unique(old_database: Path) -> None:
    assert schema.create_or_migrate(old_database) == "migrated"
    with closing(sqlite3.connect(old_database)) as database:
        found = {
            table: [slug for (slug,) in database.execute(f"SELECT slug FROM {table} ORDER BY id")] for table in SLUGS
        }
    assert found == RENAMED


def test_a_number_refers_to_the_record_with_that_id_after_an_upgrade(old_database: Path) -> None:
    app = create_app({}, instance_path=old_database.parent)
    with app.app_context():
        assert [getattr(by_slug_or_id(App, str(number)), "id", None) for number in (1, 2, 9)] == [1, 2, None]
        assert [getattr(by_slug_or_id(App, slug), "id", None) for slug in ("app-1-1", "app-0007")] == [2, 8]
    services(app).close()


def test_a_name_of_digits_gets_a_slug_that_cannot_be_taken_for_an_id(make: Factory) -> None:
    def create() -> list[str]:
        user = User.create("2024@example.com", "correct horse")
        records = [App.create("2024"), App.create(" 20 24 "), App.create("2024"), Team.create("2024", user), user]
        db.session.flush()
        return [record.slug for record in records]

    assert make.run(create) == ["app-2024", "20-24", "app-2024-1", "team-2024", "user-2024"]
