"""Retention: expired notices and problems are removed, counters and charts stay, the file is shortened."""

import itertools
import json
import logging
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from checkend import clock
from checkend.app import create_app
from checkend.cli import main
from checkend.db.integrity import find_wrong_counters
from checkend.db.schema import database_path
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.db.vacuum import file_usage
from checkend.models import App, AuditEntry, Backtrace, Notice, Problem, Tag, UserSession
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, delete_in_batches, delete_problems
from checkend.retention.cleanup import RetentionLimits, clean_up, count_expired
from checkend.retention.removal import CleanupResult
from checkend.retention.size_limits import is_near_limit
from checkend.retention.worker import RetentionWorker
from checkend.services import services
from tests.support.factories import Factory
from tests.support.pages import sign_in
from tests.support.server_process import environment
from tests.support.warm_processes import run

INGEST = "/ingest/v1/errors"
DEFAULT = RetentionLimits(90, 1000)


def days_ago(days: float) -> Any:
    return clock.now() - timedelta(days=days)


def report(number: int, **error: Any) -> dict[str, Any]:
    trace = [f"/srv/app.py:{number} in fail_{number % 4}"]
    return {
        "error": {"class": "E", "message": "m", "backtrace": trace, **error},
        "context": {"noise": os.urandom(400).hex()},
    }


def prune(app: Flask, limits: RetentionLimits = DEFAULT) -> CleanupResult:
    total = CleanupResult()
    with app.app_context():
        for removed in clean_up(limits):
            total += removed
    return total


def ids(app: Flask, model: Any) -> list[int]:
    with app.app_context():
        return list(db.session.scalars(db.select(model.id).order_by(model.id)))


def kept_counts(app: Flask) -> dict[str, list[Any]]:
    """Return everything that has to outlive the notices."""
    tables = ("problems", "problem_hours", "app_hours", "problem_facets", "tags", "problem_tags")
    with closing(sqlite3.connect(database_path(Path(app.instance_path)))) as store:
        kept = {table: sorted(store.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
        columns = "id, problems_count, unresolved_problems_count, updated_at"
        kept["apps"] = store.execute(f"SELECT {columns} FROM apps").fetchall()
        return kept


def test_notices_older_than_the_days_are_removed(app: Flask, make: Factory) -> None:
    problem = make.problem(make.app()["id"])
    old, young = make.notice(problem, at=days_ago(91)), make.notice(problem, at=days_ago(89))
    assert prune(app).notices == 1
    assert ids(app, Notice) == [young]
    assert old not in ids(app, Notice)


def test_notices_beyond_the_newest_of_a_problem_are_removed(app: Flask, make: Factory) -> None:
    shop = make.app()["id"]
    busy, calm = make.problem(shop), make.problem(shop)
    order = [5, 1, 4, 2, 3]
    made = {age: make.notice(busy, at=days_ago(age)) for age in order}
    other = make.notice(calm, at=days_ago(80))
    assert prune(app, RetentionLimits(90, 2)).notices == 3
    assert ids(app, Notice) == sorted([made[1], made[2], other])


def test_of_notices_at_the_same_time_the_one_stored_later_is_newer(app: Flask, make: Factory) -> None:
    problem, moment = make.problem(make.app()["id"]), days_ago(1)
    made = [make.notice(problem, at=moment) for _ in range(5)]
    prune(app, RetentionLimits(90, 2))
    assert ids(app, Notice) == made[-2:]


def test_0_means_no_limit(app: Flask, make: Factory) -> None:
    problem = make.problem(make.app()["id"])
    made = [make.notice(problem, at=days_ago(age)) for age in (4000, 3000, 2000)]
    prune(app, RetentionLimits(0, 0))
    assert ids(app, Notice) == made
    prune(app, RetentionLimits(0, 2))
    assert ids(app, Notice) == made[1:]
    prune(app, RetentionLimits(2500, 0))
    assert ids(app, Notice) == made[2:]


@pytest.mark.parametrize(
    ("own", "left"), [((None, None), 1), ((0, 0), 3), ((200, None), 2), ((None, 0), 1), ((0, 1), 1)]
)
def test_the_limits_of_an_app_override_the_settings(app: Flask, make: Factory, own: tuple[Any, Any], left: int) -> None:
    shop = make.app(retention_days=own[0], retention_notices=own[1])
    problem = make.problem(shop["id"])
    for age in (300, 100, 1):
        make.notice(problem, at=days_ago(age))
    prune(app, RetentionLimits(90, 2))
    assert len(ids(app, Notice)) == left


@pytest.mark.slow
def test_more_problems_and_notices_than_fit_in_one_batch(app: Flask, make: Factory) -> None:
    shop = make.app()["id"]
    for _ in range(450):
        make.problem(shop, notices=1, at=days_ago(100))
    big = make.problem(shop, notices=350, at=days_ago(100))
    steps: list[CleanupResult] = []
    with app.app_context():
        assert count_expired(RetentionLimits(90, 1000)) == {shop: 800}
        steps = list(clean_up(RetentionLimits(90, 1000)))
    assert sum(step.notices for step in steps) == 800
    assert max(step.notices for step in steps) <= 100
    assert ids(app, Notice) == []
    with app.app_context():
        assert db.session.get_one(Problem, big).notices_count == 350


def test_counters_charts_and_facets_stay(app: Flask, client: FlaskClient, make: Factory, key_for: Any) -> None:
    shop = make.app()
    headers = {"Checkend-Ingestion-Key": shop["ingestion_key"]}
    for number in sorted(range(60), key=lambda number: number % 3 == 0):  # in the order of their times
        at = days_ago(100 if number % 3 else 1).isoformat()
        client.post(INGEST, json=report(number, occurred_at=at, tags=["kept"]), headers=headers)
        client.post(INGEST, json=report(number, occurred_at=at), headers=headers)
    received_when_it_happened(app)
    before = kept_counts(app)
    address = f"/api/v1/apps/{shop['slug']}/problems"
    listed = client.get(address, headers=key_for()).json
    assert sum(problem["notices_count"] + problem["deduplicated_count"] for problem in listed["data"]) == 120
    assert prune(app).notices > 20
    assert kept_counts(app) == before
    assert client.get(address, headers=key_for()).json == listed


def test_a_backtrace_is_removed_with_the_last_notice_that_uses_it(
    app: Flask, client: FlaskClient, make: Factory
) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    for age, number in ((100, 1), (100, 2), (1, 1)):
        body = report(number, occurred_at=days_ago(age).isoformat(), fingerprint=f"{age}-{number}")
        assert client.post(INGEST, json=body, headers=headers).status_code == 201
    assert len(ids(app, Backtrace)) == 2
    received_when_it_happened(app)
    removed = prune(app)
    assert (removed.notices, removed.backtraces) == (2, 1)
    assert len(ids(app, Backtrace)) == 1


def test_backtraces_of_deleted_problems_are_removed(app: Flask, client: FlaskClient, make: Factory) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    for number in range(8):
        client.post(INGEST, json=report(number), headers=headers)
    make.run(lambda: delete_problems([1]))
    removed = prune(app)
    assert (removed.notices, removed.backtraces) == (0, 2)
    assert len(ids(app, Backtrace)) == len(ids(app, Notice)) == 6


def problem_ids(app: Flask, limits: RetentionLimits) -> list[int]:
    """Return the problems that are left after a cleanup."""
    prune(app, limits)
    return ids(app, Problem)


def test_problems_without_notices_are_removed_if_resolved_or_not_noticed_for_long(app: Flask, make: Factory) -> None:
    shop = make.app()["id"]
    make.problem(shop, at=days_ago(10), status="resolved")
    make.problem(shop, at=days_ago(366))
    unresolved = make.problem(shop, at=days_ago(364))
    emptied = make.problem(shop, notices=2, at=days_ago(91), status="resolved")
    noticed = [make.problem(shop, notices=1, at=days_ago(1), status=status) for status in ("resolved", "unresolved")]
    assert len(problem_ids(app, RetentionLimits(90, 1000, 0))) == 6
    assert emptied in ids(app, Problem)
    assert problem_ids(app, RetentionLimits(90, 1000, 365)) == [unresolved, *noticed]
    with app.app_context():
        kept = db.session.get_one(App, shop)
        assert (kept.problems_count, kept.unresolved_problems_count) == (3, 2)
    assert find_wrong_counters(database_path(Path(app.instance_path))) == []


def test_the_apps_chart_outlives_a_removed_problem(app: Flask, client: FlaskClient, make: Factory) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    client.post(INGEST, json=report(1, occurred_at=days_ago(400).isoformat()), headers=headers)
    received_when_it_happened(app)
    before = kept_counts(app)
    assert problem_ids(app, RetentionLimits(90, 1000, 365)) == []
    after = kept_counts(app)
    assert after["app_hours"] == before["app_hours"] != []
    assert after["problem_hours"] == after["problem_facets"] == []
    again = client.post(INGEST, json=report(1), headers=headers).json
    assert again is not None
    assert again["occurrence_count"] == 1


def test_a_running_server_removes_problems_and_indexes_latest_messages(
    app: Flask, client: FlaskClient, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make.app()
    make.problem(shop["id"], at=days_ago(1), status="resolved")
    for number in range(2):
        body = report(number, message=f"message {number}", fingerprint="one")
        client.post(INGEST, json=body, headers={"Checkend-Ingestion-Key": shop["ingestion_key"]})
    monkeypatch.setattr("checkend.retention.worker.POLLS_PER_INDEXING", 1)
    retention = services(app).retention
    retention.run()
    assert (retention.failures, retention.removed.problems) == (0, 1)
    with app.app_context():
        assert db.session.scalars(db.select(Problem.search_text)).all() == ["e\nmessage 0\nmessage 1"]
    assert "checkend_retention_problems_total 1" in client.get("/metrics").get_data(as_text=True)


def test_entries_of_the_audit_log_are_removed_after_their_days(
    app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left() -> list[str]:
        with app.app_context():
            return list(db.session.scalars(db.select(AuditEntry.target_label).order_by(AuditEntry.id)))

    def prune_command(days: str) -> str:
        monkeypatch.setenv("CHECKEND_AUDIT_LOG_DAYS", days)
        monkeypatch.setenv("CHECKEND_INSTANCE_PATH", app.instance_path)
        done = CliRunner().invoke(main, ["prune"])
        assert done.exit_code == 0, done.output
        return done.stdout

    for name, age in {"Old": 400, "Aged": 40, "New": 1}.items():
        make.app(name)
        newest = db.update(AuditEntry).where(AuditEntry.target_label == name).values(at=days_ago(age))
        make.run(lambda change=newest: db.session.execute(change))
    prune_command("0")
    assert left() == ["Old", "Aged", "New"]
    services(app).retention.run()
    assert left() == ["Aged", "New"]  # a year is the default
    assert "and 1 audit entries" in prune_command("30")
    assert left() == ["New"]


def received_when_it_happened(app: Flask) -> None:
    """Set the time of receipt of each notice to the time at which it occurred."""
    with closing(sqlite3.connect(database_path(Path(app.instance_path)))) as store:
        store.execute("UPDATE notices SET created_at = occurred_at")
        store.commit()


def test_recently_received_notices_stay_whatever_the_clock_of_the_app(
    app: Flask, client: FlaskClient, make: Factory
) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    assert client.post(INGEST, json=report(1, occurred_at="1970-01-01T00:00:00Z"), headers=headers).status_code == 201
    assert prune(app).notices == 0
    assert len(ids(app, Notice)) == 1


def fill(app: Flask, key: str, number: int, *, days: float) -> None:
    """Send reports of about one kilobyte that are ``days`` old."""
    client, at = app.test_client(), days_ago(days).isoformat()
    for one in range(number):
        body = report(one, occurred_at=at)
        assert client.post(INGEST, json=body, headers={"Checkend-Ingestion-Key": key}).status_code == 201
    received_when_it_happened(app)


def test_the_file_is_shortened(app: Flask, make: Factory) -> None:
    fill(app, make.app()["ingestion_key"], 600, days=100)
    path = database_path(Path(app.instance_path))
    with app.app_context():
        before = file_usage()
    removed = prune(app)
    with app.app_context():
        after = file_usage()
    assert removed.freed == before.file_bytes - after.file_bytes > 300_000
    assert after.free == 0
    assert path.stat().st_size == after.file_bytes
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_expired_notices_are_found_by_index_only(app: Flask, make: Factory) -> None:
    problem = make.problem(make.app()["id"])
    for age in (100, 3, 2, 1):
        make.notice(problem, at=days_ago(age))
    scans: list[str] = []
    with app.app_context():

        @event.listens_for(db.engine, "before_cursor_execute")
        def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if statement.startswith(("SELECT", "DELETE")):
                driver = connection.connection.driver_connection
                steps = [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
                scans.extend(
                    step for step in steps if step.startswith(("SCAN notices", "SCAN problems", "SCAN backtr"))
                )

        assert sum(removed.notices for removed in clean_up(RetentionLimits(90, 2))) == 2
    assert scans == []


@pytest.mark.slow
def test_retention_under_ingestion_loses_no_report_and_changes_no_count(app: Flask, make: Factory) -> None:
    key = make.app()["ingestion_key"]
    fill(app, key, 800, days=100)
    statuses: list[int] = []
    slowest = [0.0]
    done = threading.Event()
    numbers = itertools.count(10_000)

    def send() -> None:
        client = app.test_client()
        while not done.is_set():
            began = time.monotonic()
            answer = client.post(INGEST, json=report(next(numbers)), headers={"Checkend-Ingestion-Key": key})
            slowest[0] = max(slowest[0], time.monotonic() - began)
            statuses.append(answer.status_code)

    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    app.config["RETENTION_MAX_SHARE"] = 100  # no report for 100 days, which looks like a clock that has jumped
    retention = RetentionWorker(app)
    retention.run()
    done.set()
    for sender in senders:
        sender.join()
    assert retention.failures == 0
    assert retention.removed.notices == 800
    assert set(statuses) == {201}
    assert slowest[0] < 3
    sent = 800 + len(statuses)
    with app.app_context():
        stored, repeated = db.session.query(
            db.func.sum(Problem.notices_count), db.func.sum(Problem.deduplicated_count)
        ).one()
        assert stored + repeated == sent
        assert db.session.query(Notice).count() == stored - 800
    kept = kept_counts(app)
    assert sum(row[2] for row in kept["problem_hours"]) == sum(row[2] for row in kept["app_hours"]) == sent


@pytest.fixture
def capped(tmp_path: Path) -> Iterator[Flask]:
    settings = {"RATE_LIMIT_ENABLED": "false", "MAX_STORE_BYTES": "4194304", "RETENTION_NOTICES": "0"}
    app = create_app(settings, instance_path=tmp_path / "instance")
    yield app
    services(app).close()


def test_near_the_limit_the_oldest_are_removed_with_a_warning_and_beyond_it_reports_are_rejected(
    capped: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    key, client = Factory(capped).app()["ingestion_key"], capped.test_client()
    logging.getLogger("checkend").propagate = True
    status = 201
    for number in range(20_000):
        body = report(number) | {"context": {"noise": os.urandom(8000).hex()}}
        status = client.post(INGEST, json=body, headers={"Checkend-Ingestion-Key": key}).status_code
        if status != 201:
            break
    path = database_path(Path(capped.instance_path))
    assert status == 429
    before = ids(capped, Notice)
    retention = services(capped).retention
    retention.run(whole=False)
    left = ids(capped, Notice)
    assert 0 < len(left) < len(before)
    assert left == before[-len(left) :]
    with capped.app_context():
        assert not is_near_limit(4_194_304)
        assert file_usage().file_bytes <= 4_194_304
    assert path.stat().st_size <= 4_194_304
    loud = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("MAX_STORE_BYTES" in line for line in loud)
    assert (
        f"removed {len(before) - len(left)} of the oldest notices and 0 problems, since the database was near its limit"
        in loud
    )
    assert client.post(INGEST, json=report(1), headers={"Checkend-Ingestion-Key": key}).status_code == 201


def test_the_worker_starts_and_stops_with_the_server(
    app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.notice(make.problem(make.app()["id"]), at=days_ago(100))
    monkeypatch.setattr("checkend.retention.worker.INITIAL_DELAY_SECONDS", 0.01)
    retention = services(app).retention
    retention._max_share = 100
    retention.start()
    until = time.monotonic() + 10
    while not retention.runs and time.monotonic() < until:
        time.sleep(0.01)
    assert (retention.runs, retention.removed.notices) == (1, 1)
    services(app).close()
    assert not any(thread.name == "checkend-retention" for thread in threading.enumerate())


def test_a_failed_run_is_counted_and_the_next_one_continues(app: Flask, make: Factory) -> None:
    make.notice(make.problem(make.app()["id"]), at=days_ago(100))
    with app.app_context(), write_transaction():
        db.session.execute(
            db.text("CREATE TRIGGER stuck BEFORE DELETE ON notices BEGIN SELECT RAISE(ABORT, 'no'); END")
        )
    retention = services(app).retention
    retention._max_share = 100
    retention.run()
    assert (retention.failures, retention.removed.notices) == (1, 0)
    with app.app_context(), write_transaction():
        db.session.execute(db.text("DROP TRIGGER stuck"))
    retention.run()
    assert (retention.failures, retention.removed.notices) == (1, 1)


def checkend(folder: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run(list(arguments), env=environment(Path(folder), **settings))


def test_prune_lists_what_would_be_removed_and_then_removes_it(app: Flask, make: Factory) -> None:
    shop = make.app()
    problem = make.problem(shop["id"])
    for age in (200, 100, 40, 1):
        make.notice(problem, at=days_ago(age))
    forecast = checkend(app.instance_path, "prune", "--dry-run", "--json")
    assert json.loads(forecast.stdout) == {"overdue": [{"app": shop["slug"], "notices": 2}]}
    assert len(ids(app, Notice)) == 4
    done = checkend(app.instance_path, "prune", "--force", RETENTION_DAYS="30")
    assert done.returncode == 0
    assert done.stdout.startswith("Removed 3 notices, 0 problems, 0 backtraces and 0 audit entries.")
    assert "Removed 3 notices" in done.stderr
    assert len(ids(app, Notice)) == 1
    assert checkend(app.instance_path, "prune", "--dry-run").stdout == "No notices are overdue.\n"


def test_tags_without_problems_are_removed(app: Flask, client: FlaskClient, make: Factory) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}

    def send(number: int) -> None:
        tags = ["kept", *(f"tag-{number}-{tag}" for tag in range(40))]
        sent = client.post(INGEST, json=report(number, fingerprint=f"{number}", tags=tags), headers=headers)
        assert sent.status_code == 201

    def count() -> int:
        return make.run(lambda: db.session.scalar(select(func.count()).select_from(Tag)) or 0)

    for number in range(20):
        send(number)
    assert count() == 801
    make.run(lambda: list(delete_in_batches(ProblemSelection(AppScope.all(), tuple(range(2, 21))))))
    prune(app)
    assert count() == 42  # those of the first problem, and the newest
    send(1)
    with app.app_context():
        assert len(db.session.get_one(Problem, db.session.scalar(select(func.max(Problem.id)))).tags) == 41


def test_expired_sessions_are_deleted(app: Flask, client: FlaskClient, make: Factory) -> None:
    make.user("ann@example.com")
    for ages in ({}, {"last_active_at": 31}, {"created_at": 91}):
        sign_in(app.test_client(), "ann@example.com")
        with make.writing() as session:
            newest = session.scalars(select(UserSession).order_by(UserSession.id.desc()).limit(1)).one()
            for column, days in ages.items():
                setattr(newest, column, clock.now() - timedelta(days=days))
    services(app).retention.run()
    assert services(app).retention.failures == 0
    assert make.run(lambda: list(db.session.scalars(select(UserSession.id)))) == [1]
