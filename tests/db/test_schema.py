"""Stores of this version, of an older, of a newer one, and files that are no store."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from checkend import clock
from checkend.app import create_app
from checkend.db import restore
from checkend.db import schema as db_schema
from checkend.db.instance_lock import InstanceLock, servers_excluded
from checkend.db.schema import IncompatibleDatabaseError
from checkend.exceptions import StartupError
from checkend.services import services
from tests.support.factories import Factory
from tests.support.server_process import environment
from tests.support.warm_processes import Checkend, run

HEAD = db_schema.HEAD
HOW_TO_MEND = (
    "The models and the migrations differ. Write a "
    'migration with `flask --app wsgi db migrate -m "what changes"` and name it in store_version.HEAD.'
)
LATER = """
import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = {head!r}


def upgrade() -> None:
    with op.batch_alter_table("apps") as apps:
        apps.alter_column("name", type_=sa.String(300))
    op.execute("UPDATE apps SET name = name || ' (upgraded)'")
    {more}
"""


def schema(path: Path) -> dict[str, list[str]]:
    """Each object of the schema with its definition, the order of columns and constraints left out of account."""
    with closing(sqlite3.connect(path)) as store:
        rows = store.execute("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master").fetchall()
    return {name: sorted(parts(sql)) for name, sql in rows}


def parts(sql: str) -> list[str]:
    head, _, rest = re.sub(r"\s+", " ", sql).partition("(")
    body, _, tail = rest.rpartition(")")
    return [part.strip() for part in (head, *body.split(", "), tail)]


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as store:
        return [row[0] for row in store.execute("SELECT name FROM apps")]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of this version with an app and a problem in it."""
    path = tmp_path / "checkend.sqlite3"
    app = create_app({}, instance_path=tmp_path)
    make = Factory(app)
    make.problem(make.app()["id"])
    services(app).close()
    return path


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This code as it will be: with one more migration, which the fixture's file holds."""
    migrations = tmp_path / "migrations"
    subprocess.run(["cp", "-r", db_schema.MIGRATIONS, migrations], check=True)
    script = migrations / "versions" / "later.py"
    script.write_text(LATER.format(head=HEAD, more=""))
    monkeypatch.setattr(db_schema, "MIGRATIONS", migrations)
    monkeypatch.setattr(db_schema, "HEAD", "later")
    return script


def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    migrated, made = tmp_path / "migrated.sqlite3", tmp_path / "made.sqlite3"
    command.upgrade(db_schema.alembic_config(migrated), "head")
    db_schema.create_or_migrate(made)
    assert schema(migrated) == schema(made), HOW_TO_MEND
    assert db_schema.version(migrated) == db_schema.version(made) == db_schema.HEAD
    scripts = ScriptDirectory.from_config(db_schema.alembic_config(migrated))
    assert scripts.get_current_head() == db_schema.HEAD, HOW_TO_MEND


def test_an_older_store_is_copied_beside_itself_and_then_upgraded(store: Path, later: Path) -> None:
    before = schema(store)
    assert db_schema.create_or_migrate(store) == "migrated"
    assert names(store) == ["Shop (upgraded)"]
    assert db_schema.version(store) == "later"
    (copy,) = store.parent.glob("checkend.before-later-*.sqlite3")
    assert names(copy) == ["Shop"]
    assert schema(copy) == before
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(store)) as upgraded:
        assert upgraded.execute("SELECT count(*) FROM problems").fetchone() == (1,), "rebuilding apps took it along"
    assert db_schema.create_or_migrate(store) == "current"


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(store: Path, later: Path) -> None:
    before = schema(store)
    later.write_text(LATER.format(head=HEAD, more='op.execute("DELETE FROM apps")'))  # its problem would be orphaned
    with pytest.raises(
        IncompatibleDatabaseError, match=f"could not be upgraded from version {HEAD} to later, and is as it was"
    ):
        db_schema.create_or_migrate(store)
    assert names(store) == ["Shop"]
    assert schema(store) == before
    assert db_schema.version(store) == HEAD


def migrate_and_be_killed(path: Path) -> None:
    """Migrate in a process that the migration itself kills."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            db_schema.create_or_migrate(path)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_migrations_that_are_killed_midway_leave_one_copy_and_the_store_as_it_was(
    store: Path, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later.write_text(LATER.format(head=HEAD, more='__import__("os").kill(__import__("os").getpid(), 9)'))
    for second in range(3):  # the name of a copy has whole seconds
        monkeypatch.setattr(clock, "now", lambda second=second: clock.from_micros(second * 1_000_000))
        migrate_and_be_killed(store)
        assert db_schema.version(store) == HEAD
        assert names(store) == ["Shop"]
    (copy,) = store.parent.glob("checkend.before-later-*")
    assert names(copy) == ["Shop"]
    later.write_text(LATER.format(head=HEAD, more=""))
    assert db_schema.create_or_migrate(store) == "migrated"
    assert list(store.parent.glob("checkend.before-later-*")) == [copy]
    assert names(copy) == ["Shop"]


def test_a_copy_of_other_content_is_kept_beside_the_new_one(store: Path, later: Path) -> None:
    earlier = store.with_name("checkend.before-later-20200101T000000Z.sqlite3")
    db_schema.copy_database(store, earlier)
    with closing(sqlite3.connect(store)) as changed:
        changed.execute("UPDATE apps SET name = 'Renamed'")
        changed.commit()
    db_schema.create_or_migrate(store)
    assert sorted(names(copy)[0] for copy in store.parent.glob("checkend.before-later-*")) == ["Renamed", "Shop"]


def test_a_server_that_waited_for_a_migration_to_a_newer_version_does_not_start(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()

    class WaitingLock(InstanceLock):
        def __init__(self, folder: Path) -> None:
            reached.set()
            super().__init__(folder)

    monkeypatch.setattr("checkend.db.instance_lock.InstanceLock", WaitingLock)
    monkeypatch.setattr(db_schema, "InstanceLock", WaitingLock, raising=False)
    with ThreadPoolExecutor(1) as starter:
        with servers_excluded(store.parent):  # as a newer version holds it while it migrates
            start = starter.submit(create_app, {}, instance_path=store.parent)
            assert reached.wait(10)
            newer(store)
        with pytest.raises(IncompatibleDatabaseError, match="is of version 9999"):
            start.result(10)
    with servers_excluded(store.parent):
        pass  # the lock was let go


def test_a_backup_of_an_older_version_is_restored_and_one_that_only_claims_to_be_is_not(
    store: Path, later: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.sqlite3"
    db_schema.copy_database(store, backup)
    db_schema.create_or_migrate(store)
    assert restore.restore(backup, store) == HEAD
    assert names(store) == ["Shop"]
    with closing(sqlite3.connect(backup)) as changed:
        changed.execute("ALTER TABLE apps DROP COLUMN grouping_off")
    with pytest.raises(IncompatibleDatabaseError, match="table apps has no such columns as this version: grouping_off"):
        restore.restore(backup, store)


def test_an_older_store_is_not_upgraded_under_a_running_server(store: Path, later: Path) -> None:
    lock = InstanceLock(store.parent)
    with pytest.raises(StartupError, match="A running server"):
        db_schema.create_or_migrate(store)
    assert db_schema.version(store) == HEAD
    lock.release()
    assert db_schema.create_or_migrate(store) == "migrated"


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos (id)")


def newer(path: Path) -> None:
    db_schema.create_or_migrate(path)
    with closing(sqlite3.connect(path)) as own:
        own.execute("UPDATE alembic_version SET version_num = '9999'")
        own.commit()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            newer,
            f"is of version 9999, which this Checkend (store version {HEAD}) does not know: it was written by a newer",
        ),
        (foreign, "is not a Checkend store. Move it away"),
        (lambda path: path.write_bytes(b"no database at all " * 999), "cannot be read (file is not a database)"),
    ],
    ids=["newer", "foreign", "garbage"],
)
def test_what_is_no_store_of_ours_is_refused_and_left_byte_for_byte(
    tmp_path: Path, make: object, sentence: str
) -> None:
    path = tmp_path / "checkend.sqlite3"
    make(path)  # type: ignore[operator]
    before = path.read_bytes()
    done = run(["serve", "--port", "0"], env=environment(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {path} ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before
    assert [copy.name for copy in tmp_path.glob("*.sqlite3")] == [path.name]


def test_processes_that_start_at_once_in_an_empty_folder_agree(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    starts = [
        Checkend(
            ["app", "create", "Shop", "--json"],
            env=environment(folder, LOG_LEVEL="warning"),  # the audit log tells of each app
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    assert [(start.communicate()[1], start.returncode) for start in starts] == [(b"", 0)] * 3
    assert names(folder / "checkend.sqlite3") == ["Shop"] * 3


def test_only_its_owner_may_read_what_a_start_makes(tmp_path: Path) -> None:
    app = create_app({}, instance_path=tmp_path / "instance")
    made = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "instance").iterdir()}
    services(app).close()
    assert {"checkend.sqlite3", "secret_key"} <= made.keys()
    assert set(made.values()) == {0o600}
    assert (tmp_path / "instance").stat().st_mode & 0o777 == 0o700
