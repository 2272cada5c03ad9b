"""``checkend db``: backups under load, restoring and checking."""

import os
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.db import integrity, schema
from checkend.db.instance_lock import InstanceLock
from checkend.db.partial_files import partial_file
from checkend.services import services
from tests.support.factories import Factory


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as store:
        store.execute(statement)
        store.commit()


def test_a_backup_under_load_is_complete_and_contains_every_report_confirmed_before(
    read: Any, instance: Path, app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    key = read("app", "create", "Shop")["ingestion_key"]
    confirmed, stop = [], threading.Event()

    def report() -> None:
        client = app.test_client()
        while not stop.is_set():
            error = {"class": "E", "message": "m", "fingerprint": str(len(confirmed) % 50)}
            sent = client.post("/ingest/v1/errors", json={"error": error}, headers={"Checkend-Ingestion-Key": key})
            confirmed.append(sent.status_code)

    reporters = [threading.Thread(target=report) for _ in range(3)]
    for reporter in reporters:
        reporter.start()
    try:
        for number in range(5):
            before = len(confirmed)
            copy = tmp_path / f"{number}.sqlite3"
            read("db", "backup", str(copy))
            assert integrity.find_corruption(copy) == integrity.find_wrong_counters(copy) == []
            with closing(sqlite3.connect(copy)) as store:
                counted = store.execute("SELECT sum(notices_count + deduplicated_count) FROM problems").fetchone()[0]
            assert (counted or 0) >= before
    finally:
        stop.set()
        for reporter in reporters:
            reporter.join()
    assert set(confirmed) == {201}
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.partial"))
    assert read("db", "check")["ok"] is True


def test_a_backup_replaces_a_file_only_with_force_and_never_the_database(
    run: Any, instance: Path, tmp_path: Path
) -> None:
    run("app", "create", "Shop")
    target = tmp_path / "copy.sqlite3"
    target.write_text("unrelated")
    assert "exists" in run("db", "backup", str(target), status=1).stderr
    assert target.read_text() == "unrelated"
    run("db", "backup", str(target), "--force")
    assert integrity.find_corruption(target) == []
    assert "the database itself" in run("db", "backup", str(instance / "checkend.sqlite3"), "--force", status=1).stderr
    assert "There is no database at" not in run("db", "check").stdout


def test_a_restored_database_is_the_one_that_was_backed_up(run: Any, read: Any, tmp_path: Path) -> None:
    read("app", "create", "Before")
    run("db", "backup", str(tmp_path / "copy.sqlite3"))
    read("app", "create", "After")
    refused = run("db", "restore", str(tmp_path / "copy.sqlite3"), status=1)
    assert "--force" in refused.stderr
    assert len(read("app", "list")) == 2
    run("db", "restore", str(tmp_path / "copy.sqlite3"), "--force")
    assert [app["name"] for app in read("app", "list")] == ["Before"]
    assert read("db", "check")["ok"] is True


def test_nothing_is_restored_while_a_server_is_running(run: Any, read: Any, instance: Path, tmp_path: Path) -> None:
    read("app", "create", "Before")
    run("db", "backup", str(tmp_path / "copy.sqlite3"))
    read("app", "create", "After")
    lock = InstanceLock(instance)
    assert "A running server" in run("db", "restore", str(tmp_path / "copy.sqlite3"), "--force", status=1).stderr
    lock.release()
    assert len(read("app", "list")) == 2


def damaged(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)


def wrong_counter(path: Path) -> None:
    change(path, "UPDATE apps SET problems_count = 7")


@pytest.mark.parametrize(("spoil", "message"), [(damaged, "malformed"), (wrong_counter, "counts 7 problems")])
def test_a_backup_of_a_database_with_errors_fails_and_leaves_the_earlier_backup(
    run: Any, instance: Path, tmp_path: Path, spoil: Any, message: str
) -> None:
    run("app", "create", "Shop")
    folder = tmp_path / "backups"
    folder.mkdir()
    copy = folder / "copy.sqlite3"
    run("db", "backup", str(copy))
    earlier = copy.read_bytes()
    spoil(instance / "checkend.sqlite3")
    error = run("db", "backup", str(copy), "--force", status=1).stderr
    assert message in error
    assert f"so {copy} was not written" in error
    assert copy.read_bytes() == earlier
    assert list(folder.iterdir()) == [copy]
    run("db", "backup", str(folder / "new.sqlite3"), "--keep-unsound", status=1)
    assert sorted(folder.iterdir()) == [copy, folder / "new.sqlite3.unsound"]


def killed_while_copying(target: Path) -> Path:
    """Kill a process while it copies to ``target``, and return the file that it leaves behind."""
    child = os.fork()
    if not child:
        with partial_file(target) as partial:
            Path(f"{partial}-wal").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return target.with_name(f"{target.name}.{child}.checkend-partial")


def test_a_partial_copy_of_a_killed_process_is_removed_by_the_next_copy_and_the_next_start(
    run: Any, instance: Path, tmp_path: Path
) -> None:
    run("app", "create", "Shop")
    left = killed_while_copying(tmp_path / "earlier.sqlite3")
    assert left.exists()
    busy = tmp_path / f"other.sqlite3.{os.getppid()}.checkend-partial"
    busy.touch()
    run("db", "backup", str(tmp_path / "copy.sqlite3"))
    assert [path.name for path in tmp_path.glob("*partial*")] == [busy.name], "a copy in progress must stay"
    left = killed_while_copying(instance / "checkend.sqlite3")
    services(create_app({}, instance_path=instance)).close()
    assert not left.exists()


@pytest.mark.parametrize("name", ["link", "folder", "pipe", "checkend.sqlite3-wal", "secret_key", "checkend.pid"])
def test_a_backup_replaces_nothing_but_regular_files_that_are_not_the_servers_own(
    run: Any, instance: Path, tmp_path: Path, name: str
) -> None:
    run("app", "create", "Shop")
    services(create_app({}, instance_path=instance)).close()
    target = tmp_path / name if name in ("link", "folder", "pipe") else instance / name
    target.unlink(missing_ok=True)
    if name == "link":
        target.symlink_to(tmp_path / "elsewhere")
    elif name == "folder":
        target.mkdir()
    elif name == "pipe":
        os.mkfifo(target)
    error = run("db", "backup", str(target), "--force", status=1).stderr
    assert "Name a regular file" in error or "belongs to the server" in error
    assert not target.is_file()
    assert not (tmp_path / "elsewhere").exists()


def test_neither_a_pipe_nor_the_database_itself_is_restored(run: Any, read: Any, instance: Path) -> None:
    read("app", "create", "Shop")
    os.mkfifo(instance / "pipe")
    assert "is not a regular file" in run("db", "restore", str(instance / "pipe"), "--force", status=1).stderr
    own = str(instance / "checkend.sqlite3")
    assert "belongs to the database that would be replaced" in run("db", "restore", own, "--force", status=1).stderr
    assert [app["name"] for app in read("app", "list")] == ["Shop"]


def test_a_restore_replaces_nothing_but_a_regular_file(run: Any, read: Any, instance: Path, tmp_path: Path) -> None:
    read("app", "create", "Shop")
    backup, store, elsewhere = (
        tmp_path / "backup.sqlite3",
        instance / "checkend.sqlite3",
        tmp_path / "elsewhere.sqlite3",
    )
    run("db", "backup", str(backup))
    store.rename(elsewhere)
    content = elsewhere.read_bytes()
    store.symlink_to(elsewhere)
    assert "is a symbolic link to" in run("db", "restore", str(backup), "--force", status=1).stderr
    assert store.is_symlink()
    assert elsewhere.read_bytes() == content
    store.unlink()
    os.mkfifo(store)
    assert "is a device, a pipe or a socket" in run("db", "restore", str(backup), "--force", status=1).stderr
    assert store.is_fifo()
    store.unlink()
    store.mkdir()
    assert "is a folder" in run("db", "restore", str(backup), "--force", status=1).stderr


def lookalike(path: Path) -> None:
    path.unlink()
    change(path, "CREATE TABLE alembic_version (version_num)")
    change(path, f"INSERT INTO alembic_version VALUES ('{schema.HEAD}')")
    for table in ("apps", "problems", "notices"):
        change(path, f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lookalike, "It has no table app_hours."),
        (
            lambda path: change(path, "ALTER TABLE apps RENAME COLUMN slug TO slag"),
            "lacks columns, or has other types for them: slug",
        ),
        (lambda path: change(path, "DROP TRIGGER problems_search_update"), "It has no trigger problems_search_update."),
        (damaged, ""),
        (lambda path: change(path, "UPDATE alembic_version SET version_num = '9999'"), "does not know"),
        (lambda path: change(path, "DROP TABLE notices"), "is not a Checkend database"),
        (lambda path: change(path, "INSERT INTO team_apps VALUES (7, 8)"), "refers to a row of"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"garbage" * 1000), "file is not a database"),
    ],
    ids=["lookalike", "column", "trigger", "damaged", "newer", "foreign", "orphans", "empty", "garbage"],
)
def test_a_backup_with_errors_is_rejected_and_the_database_stays(
    run: Any, read: Any, instance: Path, tmp_path: Path, spoil: Any, message: str
) -> None:
    read("app", "create", "Shop")
    copy = tmp_path / "copy.sqlite3"
    run("db", "backup", str(copy))
    spoil(copy)
    spoiled = copy.read_bytes()
    assert message in run("db", "restore", str(copy), "--force", status=1).stderr
    assert copy.read_bytes() == spoiled
    assert [app["name"] for app in read("app", "list")] == ["Shop"]
    assert not list(instance.glob("*partial*"))


def test_check_finds_wrong_counters(run: Any, instance: Path, make: Factory) -> None:
    app = make.app()
    problem = make.problem(app["id"], notices=2)
    store = instance / "checkend.sqlite3"
    assert "has no errors" in run("db", "check").stdout
    change(store, "UPDATE apps SET problems_count = 5, unresolved_problems_count = 6, stored_bytes = 7")
    change(store, "UPDATE problems SET notices_count = 1")
    change(store, "INSERT INTO problem_hours VALUES (1, 0, 99)")
    found = run("db", "check", status=1).stderr.splitlines()[1:]
    assert found == [
        "App shop counts 5 problems, but has 1.",
        "App shop counts 6 unresolved problems, but has 1.",
        f"Problem {problem} counts 1 notices, but has 2.",
        f"Problem {problem} counts 1 occurrences, but its hours contain 99.",
        "App shop counts 7 stored bytes, but its notices, backtraces, facet values and hours take 245.",
    ]


def test_check_reports_a_database_of_a_newer_version(run: Any, read: Any, instance: Path) -> None:
    run("app", "create", "Shop")
    change(instance / "checkend.sqlite3", "UPDATE alembic_version SET version_num = '9999'")
    assert "This version of Checkend cannot use it: " in run("db", "check", status=1).stderr
    found = read("db", "check", status=1)
    assert (found["version"], found["ok"]) == ("9999", False)
    assert "written by a newer Checkend" in found["faults"][0]


def test_upgrade_creates_a_database_and_states_when_it_is_current(read: Any) -> None:
    assert [read("db", "upgrade")["state"] for _ in range(2)] == ["created", "current"]


@pytest.mark.parametrize("command", [["backup", "x.sqlite3"], ["check"]])
def test_without_a_database_backup_and_check_fail(run: Any, instance: Path, command: list[str]) -> None:
    assert "There is no database at" in run("db", *command, status=1).stderr
    assert not instance.exists()
