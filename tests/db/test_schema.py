"""Databases of this version, older and newer ones, and files that are not databases."""

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
ADVICE = (
    "The models and the migrations differ. Write a "
    'migration with `flask --app wsgi db migrate -m "what changes"` and set HEAD in checkend/db/schema.py to it.'
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
    """Return each object of the schema with its definition, regardless of the order of columns and constraints."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master").fetchall()
    return {name: sorted(parts(sql)) for name, sql in rows}


def parts(sql: str) -> list[str]:
    head, _, rest = re.sub(r"\s+", " ", sql).partition("(")
    body, _, tail = rest.rpartition(")")
    return [part.strip() for part in (head, *body.split(", "), tail)]


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT name FROM apps")]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database of this version with an app and a problem."""
    path = tmp_path / "checkend.sqlite3"
    app = create_app({}, instance_path=tmp_path)
    make = Factory(app)
    make.problem(make.app()["id"])
    services(app).close()
    return path


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add a migration, as a later version would; return the path of its script."""
    migrations = tmp_path / "migrations"
    subprocess.run(["cp", "-r", db_schema.MIGRATIONS, migrations], check=True)
    script = migrations / "versions" / "later.py"
    script.write_text(LATER.format(head=HEAD, more=""))
    monkeypatch.setattr(db_schema, "MIGRATIONS", migrations)
    monkeypatch.setattr(db_schema, "HEAD", "later")
    return script


def test_the_migrations_create_the_schema_of_the_models(tmp_path: Path) -> None:
    migrated, made = tmp_path / "migrated.sqlite3", tmp_path / "made.sqlite3"
    command.upgrade(db_schema.alembic_config(migrated), "head")
    db_schema.create_or_migrate(made)
    assert schema(migrated) == schema(made), ADVICE
    assert db_schema.version(migrated) == db_schema.version(made) == db_schema.HEAD
    scripts = ScriptDirectory.from_config(db_schema.alembic_config(migrated))
    assert scripts.get_current_head() == db_schema.HEAD, ADVICE


def test_an_older_database_is_copied_and_then_upgraded(database: Path, later: Path) -> None:
    before = schema(database)
    assert db_schema.create_or_migrate(database) == "migrated"
    assert names(database) == ["Shop (upgraded)"]
    assert db_schema.version(database) == "later"
    (copy,) = database.parent.glob("checkend.before-later-*.sqlite3")
    assert names(copy) == ["Shop"]
    assert schema(copy) == before
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(database)) as upgraded:
        assert upgraded.execute("SELECT count(*) FROM problems").fetchone() == (1,), "rebuilding apps deleted it"
    assert db_schema.create_or_migrate(database) == "current"


def test_an_upgrade_that_fails_leaves_the_database_unchanged(database: Path, later: Path) -> None:
    before = schema(database)
    later.write_text(LATER.format(head=HEAD, more='op.execute("DELETE FROM apps")'))  # its problem would be orphaned
    with pytest.raises(
        IncompatibleDatabaseError, match=f"could not be upgraded from version {HEAD} to later, and is unchanged"
    ):
        db_schema.create_or_migrate(database)
    assert names(database) == ["Shop"]
    assert schema(database) == before
    assert db_schema.version(database) == HEAD


def migrate_and_be_killed(path: Path) -> None:
    """Migrate in a process that the migration itself kills."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            db_schema.create_or_migrate(path)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_migrations_that_are_killed_leave_one_copy_and_an_unchanged_database(
    database: Path, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later.write_text(LATER.format(head=HEAD, more='__import__("os").kill(__import__("os").getpid(), 9)'))
    for second in range(3):  # the name of a copy contains the time in whole seconds
        monkeypatch.setattr(clock, "now", lambda second=second: clock.from_micros(second * 1_000_000))
        migrate_and_be_killed(database)
        assert db_schema.version(database) == HEAD
        assert names(database) == ["Shop"]
    (copy,) = database.parent.glob("checkend.before-later-*")
    assert names(copy) == ["Shop"]
    later.write_text(LATER.format(head=HEAD, more=""))
    assert db_schema.create_or_migrate(database) == "migrated"
    assert list(database.parent.glob("checkend.before-later-*")) == [copy]
    assert names(copy) == ["Shop"]


def test_an_older_copy_with_other_content_is_kept(database: Path, later: Path) -> None:
    earlier = database.with_name("checkend.before-later-20200101T000000Z.sqlite3")
    db_schema.copy_database(database, earlier)
    with closing(sqlite3.connect(database)) as changed:
        changed.execute("UPDATE apps SET name = 'Renamed'")
        changed.commit()
    db_schema.create_or_migrate(database)
    assert sorted(names(copy)[0] for copy in database.parent.glob("checkend.before-later-*")) == ["Renamed", "Shop"]


def test_a_server_that_waited_for_a_migration_to_a_newer_version_does_not_start(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()

    class WaitingLock(InstanceLock):
        def __init__(self, folder: Path) -> None:
            reached.set()
            super().__init__(folder)

    monkeypatch.setattr("checkend.db.instance_lock.InstanceLock", WaitingLock)
    monkeypatch.setattr(db_schema, "InstanceLock", WaitingLock, raising=False)
    with ThreadPoolExecutor(1) as starter:
        with servers_excluded(database.parent):  # as a newer version does while it migrates
            start = starter.submit(create_app, {}, instance_path=database.parent)
            assert reached.wait(10)
            newer(database)
        with pytest.raises(IncompatibleDatabaseError, match="has version 9999"):
            start.result(10)
    with servers_excluded(database.parent):
        pass  # the lock was released


def test_a_backup_of_an_older_version_is_restored_unless_its_schema_differs(
    database: Path, later: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.sqlite3"
    db_schema.copy_database(database, backup)
    db_schema.create_or_migrate(database)
    assert restore.restore(backup, database) == HEAD
    assert names(database) == ["Shop"]
    with closing(sqlite3.connect(backup)) as changed:
        changed.execute("ALTER TABLE apps DROP COLUMN grouping_off")
    with pytest.raises(
        IncompatibleDatabaseError, match="table apps lacks columns, or has other types for them: grouping_off"
    ):
        restore.restore(backup, database)


def test_an_older_database_is_not_upgraded_while_a_server_runs(database: Path, later: Path) -> None:
    lock = InstanceLock(database.parent)
    with pytest.raises(StartupError, match="A running server"):
        db_schema.create_or_migrate(database)
    assert db_schema.version(database) == HEAD
    lock.release()
    assert db_schema.create_or_migrate(database) == "migrated"


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos (id)")


def newer(path: Path) -> None:
    db_schema.create_or_migrate(path)
    with closing(sqlite3.connect(path)) as own:
        own.execute("UPDATE alembic_version SET version_num = '9999'")
        own.commit()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            newer,
            f"has version 9999, which this Checkend (database version {HEAD}) does not know: it was written by a newer",
        ),
        (foreign, "is not a Checkend database. Move it away"),
        (lambda path: path.write_bytes(b"no database at all " * 999), "cannot be read (file is not a database)"),
    ],
    ids=["newer", "foreign", "garbage"],
)
def test_other_files_are_rejected_and_left_unchanged(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "checkend.sqlite3"
    make(path)  # type: ignore[operator]
    before = path.read_bytes()
    done = run(["serve", "--port", "0"], env=environment(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {path} ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before
    assert [copy.name for copy in tmp_path.glob("*.sqlite3")] == [path.name]


def test_processes_that_start_at_once_in_an_empty_folder_share_a_database(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    starts = [
        Checkend(
            ["app", "create", "Shop", "--json"],
            env=environment(folder, LOG_LEVEL="warning"),  # the audit log has a line for each app
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    assert [(start.communicate()[1], start.returncode) for start in starts] == [(b"", 0)] * 3
    assert names(folder / "checkend.sqlite3") == ["Shop"] * 3


def test_only_the_owner_may_read_the_files_of_the_server(tmp_path: Path) -> None:
    app = create_app({}, instance_path=tmp_path / "instance")
    made = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "instance").iterdir()}
    services(app).close()
    assert {"checkend.sqlite3", "secret_key"} <= made.keys()
    assert set(made.values()) == {0o600}
    assert (tmp_path / "instance").stat().st_mode & 0o777 == 0o700
