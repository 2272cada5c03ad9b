"""A wrong clock, or its correction, does not lose acknowledged reports."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.app import create_app
from checkend.db.session import db
from checkend.models import Notice, Problem
from checkend.retention.clock_guard import AgeGuard
from checkend.services import services
from tests.support.factories import Factory

INGEST = "/ingest/v1/errors"
START = datetime(2024, 3, 1, tzinfo=UTC)


class FakeClock:
    """The time that `checkend.clock` returns."""

    def __init__(self) -> None:
        self.time = START

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    fake = FakeClock()
    monkeypatch.setattr(clock, "now", lambda: fake.time)
    return fake


@pytest.fixture
def app(fake: FakeClock, tmp_path: Path) -> Any:
    settings = {"RATE_LIMIT_ENABLED": "false", "RETENTION_NOTICES": 2}
    app = create_app(settings, instance_path=tmp_path / "instance")
    yield app
    services(app).close()
    with app.app_context():
        db.engine.dispose()


Send = Callable[..., dict[str, Any]]


@pytest.fixture
def send(client: FlaskClient, make: Factory) -> Send:
    """Send a report that must be acknowledged; return the body of the response."""
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}

    def send_one(problem: object, message: str = "m") -> dict[str, Any]:
        error = {"class": "E", "message": message, "fingerprint": str(problem)}
        response = client.post(INGEST, json={"error": error}, headers=headers)
        assert response.status_code == 201
        assert isinstance(response.json, dict)
        return response.json

    return send_one


@pytest.fixture
def history(fake: FakeClock, send: Send) -> list[int]:
    """Return the ids of 80 notices, one every 18 hours: 60 days of regular reports."""
    ids = []
    for number in range(80):
        ids.append(send(number)["id"])
        fake.move(hours=18)
    return ids


def notices(app: Flask) -> list[int]:
    with app.app_context():
        return list(db.session.scalars(db.select(Notice.id).order_by(Notice.id)))


def limited(client: FlaskClient) -> str:
    lines = client.get("/metrics").text.splitlines()
    (line,) = [line for line in lines if line.startswith("checkend_retention_limited ")]
    return line.rpartition(" ")[2].removesuffix(".0")


@pytest.mark.parametrize("more", [0, 3], ids=["no report since", "reports since"])
def test_with_the_clock_a_year_ahead_retention_removes_nothing_at_first_and_then_a_share(
    app: Flask,
    client: FlaskClient,
    fake: FakeClock,
    send: Send,
    history: list[int],
    more: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("checkend"), "propagate", True)
    fake.move(days=365)
    late = [send(f"late {number}")["id"] for number in range(more)]
    retention = services(app).retention
    retention.run()
    assert notices(app) == history + late
    assert limited(client) == "1"
    left = len(history)
    for _ in range(2):
        retention.run()
        assert left - 8 <= len(notices(app)) - more < left, "more than a tenth went in one run"
        left = len(notices(app)) - more
    (line, *_) = [record.getMessage() for record in caplog.records if "may have jumped" in record.getMessage()]
    assert "no report was received for 365." in line
    fake.move(days=-365)
    retention.run()
    assert len(notices(app)) == left + more
    assert limited(client) == "0"


def test_a_correct_clock_limits_nothing(app: Flask, fake: FakeClock, history: list[int]) -> None:
    retention = services(app).retention
    retention._limits = retention._limits._replace(days=30)  # most is overdue at once, as after a change of settings
    retention.run()
    assert 30 < len(notices(app)) < 45
    assert retention.limited is False


def test_notices_received_while_the_clock_was_behind_stay_after_it_is_corrected(
    app: Flask, fake: FakeClock, send: Send, history: list[int]
) -> None:
    fake.move(days=-200)
    behind = [send(f"behind {number}")["id"] for number in range(5)]
    fake.move(days=200, hours=1)
    after = send("after")["id"]
    retention = services(app).retention
    for _ in range(3):
        retention.run()
    assert notices(app) == [*history, *behind, after]
    for number in range(125):  # they go when notices received before them have gone
        fake.move(hours=18)
        send(f"on time {number}")
    retention.run()
    assert not set(behind) & set(notices(app))


def test_after_a_backward_jump_a_duplicate_is_stored_rather_than_counted(fake: FakeClock, send: Send) -> None:
    first = send("same")
    fake.move(seconds=1)
    assert send("same")["deduplicated"] is True
    fake.move(days=-365)
    stored = send("same")
    assert stored["deduplicated"] is False
    assert stored["id"] != first["id"]
    fake.move(seconds=1)
    assert send("same")["deduplicated"] is True


def test_reports_written_in_another_order_than_received_are_still_duplicates(fake: FakeClock, send: Send) -> None:
    send("same")
    fake.move(milliseconds=-20)
    assert send("same")["deduplicated"] is True


def test_a_last_noticed_at_in_the_future_is_corrected_by_the_next_report(
    app: Flask, fake: FakeClock, send: Send
) -> None:
    fake.move(days=365)
    problem_id = send("ahead")["problem_id"]
    fake.move(days=-365)
    send("ahead")
    with app.app_context():
        problem = db.session.get_one(Problem, problem_id)
        assert problem.last_noticed_at == problem.first_noticed_at == fake.time


def test_notices_from_the_future_do_not_displace_later_ones(app: Flask, fake: FakeClock, send: Send) -> None:
    fake.move(days=365)
    for number in range(2):
        send("one problem", f"ahead {number}")
        fake.move(minutes=5)
    fake.move(days=-365)
    later = []
    for number in range(2):
        later.append(send("one problem", f"later {number}")["id"])
        fake.move(minutes=5)
    services(app).retention.run()
    assert notices(app) == later


def test_prune_removes_a_share_with_a_warning_and_the_rest_with_force(
    app: Flask, history: list[int], fake: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from checkend.cli import main

    monkeypatch.setenv("CHECKEND_INSTANCE_PATH", app.instance_path)
    fake.move(days=365)
    done = CliRunner().invoke(main, ["prune"])
    assert done.exit_code == 0
    assert done.stdout.startswith("Removed 8 notices, 0 problems, 0 backtraces and 1 audit entries.")
    assert "Some overdue notices were kept, because the clock may have jumped. Use --force" in done.stderr
    assert len(notices(app)) == 72
    done = CliRunner().invoke(main, ["prune", "--force"])
    assert done.stdout.startswith("Removed 72 notices, 80 problems, 0 backtraces and 0 audit entries.")
    assert "may have jumped" not in done.stderr


def test_a_gap_is_found_by_a_logarithmic_number_of_lookups(app: Flask, make: Factory) -> None:
    problem = make.problem(make.app()["id"])
    with make.writing() as session:
        for number in range(3000):
            at = START - timedelta(hours=3000 - number + (1000 if number < 1700 else 0))
            session.add(Notice(problem_id=problem, occurred_at=at, created_at=at, payload=b""))
    queries = 0

    def count(*_: Any) -> None:
        nonlocal queries
        queries += 1

    with app.app_context():
        db.event.listen(db.engine, "before_cursor_execute", count)
        boundary = AgeGuard(10).boundary(200)
        db.event.remove(db.engine, "before_cursor_execute", count)
    assert timedelta(hours=1000) <= boundary.gap < timedelta(hours=1002)
    assert queries < 150
