"""A full disk, a locked or a damaged database ends every command with a message, never with a traceback."""

import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from checkend import clock
from checkend.app import create_app
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.cli import main
from checkend.db import restore, schema
from checkend.db import session as db_session
from checkend.models import ApiKey, App, Problem
from checkend.models.mute import MuteTerms, mute_problem
from checkend.notifications.channel_settings import create_channel
from checkend.notifications.encryption import SecretBox
from checkend.services import services
from tests.support.factories import Factory
from tests.support.server_process import environment

# They serve, or need no database of their own.
NOT_WALKED = {"serve", "dev", "fixture", "tail", "config", "openapi"}
# What a command is called with beyond its arguments.
OPTIONS = {
    "api-key create": ["--all"],
    "user create": ["--password-stdin"],
    "user set-password": ["--password-stdin"],
    "user delete": ["--yes"],
    "api-key delete": ["--yes"],
    "app delete": ["--yes"],
    "app update": ["--name", "Store"],
    "channel create": ["--set", "url=http://127.0.0.1:9/"],
    "channel delete": ["--yes"],
    "db restore": ["--force"],
    "db backup": ["--force"],
}
READ_ONLY = {
    "app list",
    "app show",
    "app key",
    "api-key list",
    "audit-log",
    "channel list",
    "problem list",
    "problem show",
    "user list",
    "db upgrade",
    "db check",
    "status",
}


def commands(group: click.Group = main, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from commands(found, f"{prefix}{name} ")
        elif prefix + name not in NOT_WALKED:
            yield prefix + name, found


COMMANDS = dict(commands())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create an instance folder whose database contains one record of each kind that commands accept."""
    folder = tmp_path_factory.mktemp("template")
    app = create_app({}, instance_path=folder)
    make = Factory(app)
    shop = make.app()["id"]
    problem_id = make.problem(shop)
    make.notice(problem_id, at=clock.now() - timedelta(days=200))
    make.run(lambda: mute_problem(db_session.db.session.get_one(Problem, problem_id), MuteTerms()))
    make.problem(shop, status="resolved")
    make.run(lambda: ApiKey.create("key", ALL_PERMISSIONS))
    hook = {"kind": "webhook", "name": "Hook", "config": {"url": "http://127.0.0.1:9/"}}  # sending there is forbidden
    make.run(lambda: create_channel(db_session.db.session.get_one(App, 1), SecretBox(folder), hook))
    make.user("a@example.com", site_admin=True)
    make.user("b@example.com")
    services(app).close()
    with app.app_context():
        db_session.db.engine.dispose()
    return folder


@pytest.fixture
def store(template: Path, instance: Path, tmp_path: Path) -> Path:
    """Copy the database of `template`, with a backup of it in ``backup.sqlite3``."""
    shutil.copytree(template, instance)
    shutil.copy(template / "checkend.sqlite3", tmp_path / "backup.sqlite3")
    return instance / "checkend.sqlite3"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for module in (db_session, schema, restore):
        monkeypatch.setattr(module, "LOCK_TIMEOUT_SECONDS", 0.05)
    values = {
        "email_address": "b@example.com",
        "source": str(tmp_path / "backup.sqlite3"),
        "target": str(tmp_path / "copy.sqlite3"),
        "app": "shop",
        "key": "1",
        "kind": "webhook",
        "channel": "1",
        "problem": "1",
        "name": "New",
    }

    def call_command(name: str) -> Result:
        values["problems"] = "2" if name == "problem unresolve" else "1"  # one that the command changes
        arguments = [values.get(str(p.name), "shop") for p in COMMANDS[name].params if isinstance(p, click.Argument)]
        return CliRunner().invoke(main, [*name.split(), *OPTIONS.get(name, []), *arguments], input="long enough\n")

    return call_command


def assert_message(done: Result, name: str, *, fails: bool = True) -> None:
    assert isinstance(done.exception, SystemExit | None), (name, done.exception)
    assert "Traceback" not in done.output
    if fails:
        assert done.exit_code == 1, (name, done.output)
        assert done.stderr.rstrip().endswith((".", "`")), (name, done.stderr)
        assert "Error: " in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_damaged_database(name: str, store: Path, call: Any) -> None:
    with store.open("r+b") as file:  # the header is intact, but no table can be read
        file.seek(100)
        file.write(b"\xff" * 40_000)
    assert_message(call(name), name, fails=name != "db restore")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_database_locked_by_another_process(name: str, store: Path, call: Any) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        done = call(name)
    assert_message(done, name)
    # What `checkend doctor` finds is its output.
    assert "is locked by another process" in (done.stdout if name == "doctor" else done.stderr)


@contextmanager
def full_disk() -> Iterator[None]:
    """Prevent files from growing, like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("in_use", [True, False], ids=["in use", "not in use"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(name: str, in_use: bool, store: Path, call: Any) -> None:
    with closing(sqlite3.connect(store)) as server:
        if in_use:  # then the files that SQLite needs for reading exist
            server.execute("SELECT count(*) FROM apps").fetchone()
        with full_disk():
            done = call(name)
    assert_message(done, name, fails=name not in READ_ONLY)


@pytest.mark.slow
def test_full_standard_output_ends_a_command_with_a_message(store: Path, instance: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "checkend.cli", "app", "list"],
            env=environment(instance),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: No space left on device. Free some disk space, then try again.\n"


@pytest.mark.parametrize("name", ["what?", "100%", "a#b", "two words", "file:x?mode=memory", "%2e%2e"])
def test_any_name_of_an_instance_folder_works(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    app = create_app({}, instance_path=folder)
    key = Factory(app).app()["ingestion_key"]
    headers = {"Checkend-Ingestion-Key": key}
    sent = app.test_client().post("/ingest/v1/errors", json={"error": {"class": "E"}}, headers=headers)
    services(app).close()
    assert sent.status_code == 201
    assert {path.name for path in tmp_path.iterdir()} == {name}
    with closing(sqlite3.connect(folder / "checkend.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM notices").fetchone() == (1,)


def test_commands_work_on_an_instance_folder_with_such_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKEND_INSTANCE_PATH", str(tmp_path / "a ?b #c 100%20"))
    copy = str(tmp_path / "copy ?#%.sqlite3")
    for line in (
        ["app", "create", "Shop"],
        ["db", "backup", copy],
        ["db", "restore", copy, "--force"],
        ["db", "check"],
    ):
        done = CliRunner().invoke(main, line)
        assert done.exit_code == 0, done.output
