"""Storage limits per app, and reports of this and other apps when they are reached."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from checkend.app import create_app
from checkend.db import integrity
from checkend.db.schema import database_path
from checkend.db.session import db
from checkend.models import App, Notice, Problem, ProblemTag
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, delete_in_batches, delete_problems
from checkend.models.storage import used_bytes
from checkend.retention.cleanup import RetentionLimits, clean_up
from checkend.retention.size_limits import is_near_limit
from checkend.services import services
from tests.support.factories import Factory

INGEST = "/ingest/v1/errors"
CAP = 4_423_680
Serve = Callable[..., Flask]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Provide ``serve(MAX_APP_BYTES=…)``, which returns a server with these settings."""
    apps = []

    def start(**settings: Any) -> Flask:
        large = {"RATE_LIMIT_ENABLED": "false", "LIMIT_TEXT": 500_000}  # so that a few reports fill a store
        app = create_app({**large, **settings}, instance_path=tmp_path / "instance")
        apps.append(app)
        return app

    yield start
    for app in apps:
        services(app).close()


def send(client: FlaskClient, key: str, error: dict[str, Any], noise: int = 0) -> Any:
    """Send a report that takes about ``noise`` bytes in the database."""
    context = {f"noise {start}": os.urandom(min(noise - start, 30_000)).hex() for start in range(0, noise, 30_000)}
    body = {"error": {"class": "E", **error}, "context": context}
    return client.post(INGEST, json=body, headers={"Checkend-Ingestion-Key": key})


def numbered(number: int, **error: Any) -> dict[str, Any]:
    """Return an error with a problem of its own."""
    return {"message": f"error {number}", "backtrace": [f"/srv/app.py:1 in fail_{number}"], **error}


def notices_of(app: Flask, app_id: int) -> list[int]:
    with app.app_context():
        rows = select(Notice.id).join(Problem).where(Problem.app_id == app_id).order_by(Notice.id)
        return list(db.session.scalars(rows))


def wrong_counts(app: Flask) -> list[str]:
    return integrity.find_wrong_counters(database_path(Path(app.instance_path)))


@pytest.mark.slow
def test_25_huge_reports_of_one_app_do_not_block_another_app(serve: Serve) -> None:
    app = serve(MAX_STORE_BYTES=CAP)
    make, client = Factory(app), app.test_client()
    flooding, calm = make.app("Flooding"), make.app("Calm")
    mine = [send(client, calm["ingestion_key"], numbered(number)).json["id"] for number in range(3)]
    statuses = []
    for number in range(25):
        message = os.urandom(30_000).hex() + str(number)
        statuses.append(send(client, flooding["ingestion_key"], numbered(number, message=message), 300_000).status_code)
        response = send(client, calm["ingestion_key"], numbered(100 + number))
        assert response.status_code == 201, (number, response.json)
        mine.append(response.json["id"])
    assert set(statuses) == {201, 429}
    with app.app_context():
        assert is_near_limit(CAP)
    services(app).retention.run(whole=False)
    assert notices_of(app, calm["id"]) == mine
    with app.app_context():
        assert not is_near_limit(CAP)
    assert send(client, flooding["ingestion_key"], numbered(99)).status_code == 201
    assert services(app).retention.failures == 0
    assert wrong_counts(app) == []


def test_a_small_app_cannot_use_up_the_reserve(serve: Serve) -> None:
    app = serve(MAX_STORE_BYTES=CAP)
    make, client = Factory(app), app.test_client()
    large, small, calm = (make.app(name) for name in ("Large", "Small", "Calm"))
    number = 0
    while send(client, large["ingestion_key"], numbered(number), 100_000).status_code == 201:
        number += 1
    statuses = {send(client, small["ingestion_key"], numbered(number), 3_000).status_code for number in range(100)}
    assert statuses == {201, 429}
    responses = [send(client, calm["ingestion_key"], numbered(number)) for number in range(3)]
    assert [response.status_code for response in responses] == [201] * 3
    services(app).retention.run(whole=False)
    responses = [send(client, small["ingestion_key"], numbered(100 + number), 3_000) for number in range(20)]
    assert {response.status_code for response in responses} == {201}
    assert wrong_counts(app) == []


@pytest.mark.slow
def test_problems_are_deleted_too_if_they_fill_the_database(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    app = serve(MAX_STORE_BYTES=CAP)
    make, client = Factory(app), app.test_client()
    flooding, calm = make.app("Flooding"), make.app("Calm")
    mine = [send(client, calm["ingestion_key"], numbered(number)).json["id"] for number in range(3)]
    sent = 0
    while sent < 2_000:
        response = send(client, flooding["ingestion_key"], numbered(sent, message=os.urandom(1_000).hex()))
        if response.status_code != 201:
            break
        sent += 1
    assert response.status_code == 429
    assert "The database is nearly full" in response.json["error"]
    assert send(client, calm["ingestion_key"], numbered(7)).status_code == 201
    retention = services(app).retention
    retention.run(whole=False)
    assert retention.removed.problems > 20
    assert notices_of(app, calm["id"])[:3] == mine
    assert 0 < len(notices_of(app, flooding["id"])) < sent
    with app.app_context():
        assert not is_near_limit(CAP)
        left = db.session.scalars(select(Problem.first_message).where(Problem.app_id == flooding["id"])).all()
        assert db.session.get_one(App, flooding["id"]).problems_count == len(left)
    assert wrong_counts(app) == []


def test_space_is_freed_in_the_largest_app_until_it_no_longer_is(serve: Serve) -> None:
    app = serve(MAX_STORE_BYTES=CAP)
    make, client = Factory(app), app.test_client()
    old, big, small = (make.app(name) for name in ("Old", "Big", "Small"))
    before = {}
    for one, number, noise in ((old, 5, 10_000), (small, 5, 10_000), (big, 30, 120_000)):
        for count in range(number):
            send(client, one["ingestion_key"], numbered(count), noise)
        before[one["id"]] = notices_of(app, one["id"])
    with app.app_context():
        assert is_near_limit(CAP)
    services(app).retention.run(whole=False)
    assert notices_of(app, old["id"]) == before[old["id"]]
    assert notices_of(app, small["id"]) == before[small["id"]]


def test_an_app_at_its_limit_loses_its_oldest_notices_and_is_rejected_meanwhile(serve: Serve) -> None:
    app = serve(MAX_APP_BYTES=CAP)
    make, client = Factory(app), app.test_client()
    full, other = make.app("Full"), make.app("Other")
    kept = send(client, other["ingestion_key"], numbered(1), 100_000).json["id"]
    for number in range(100):
        response = send(client, full["ingestion_key"], numbered(number, fingerprint=f"{number % 3}"), 300_000)
        if response.status_code != 201:
            break
    assert (response.status_code, response.headers["Retry-After"]) == (429, "10")
    assert response.json["error"].startswith(f"This app uses all of the {CAP:,} bytes that CHECKEND_MAX_APP_BYTES")
    assert send(client, other["ingestion_key"], numbered(2)).status_code == 201
    metrics = client.get("/metrics").get_data(as_text=True)
    assert 'checkend_reports_total{app="full",outcome="refused",status="429"} 1' in metrics
    before = notices_of(app, full["id"])
    retention = services(app).retention
    retention.run(whole=False)
    after = notices_of(app, full["id"])
    assert 0 < len(after) < len(before)
    assert after == before[-len(after) :]
    assert kept in notices_of(app, other["id"])
    with app.app_context():
        assert (db.session.scalar(select(used_bytes).where(App.id == full["id"])) or 0) < CAP * 0.9
    assert send(client, full["ingestion_key"], numbered(1), 300_000).status_code == 201
    assert wrong_counts(app) == []


def test_a_duplicate_is_counted_although_its_app_is_at_the_limit(serve: Serve) -> None:
    app = serve(MAX_APP_BYTES=CAP)
    make, client = Factory(app), app.test_client()
    key = make.app()["ingestion_key"]
    first = send(client, key, numbered(1)).json
    number = 2
    while send(client, key, numbered(number), 600_000).status_code == 201:
        number += 1
    again = send(client, key, numbered(1))
    assert (again.status_code, again.json["id"], again.json["deduplicated"]) == (201, first["id"], True)


class TestTooManyProblems:
    @pytest.fixture
    def app(self, serve: Serve) -> Flask:
        return serve(MAX_APP_PROBLEMS=3)

    @pytest.fixture
    def shop(self, app: Flask, client: FlaskClient, make: Factory) -> dict[str, Any]:
        """Create an app that has its maximum number of problems."""
        shop = make.app()
        for number in range(3):
            assert send(client, shop["ingestion_key"], numbered(number)).status_code == 201
        return shop

    @pytest.fixture
    def problems(self, client: FlaskClient, shop: dict[str, Any], key_for: Any) -> Callable[[], list[Any]]:
        def read() -> list[Any]:
            response = client.get(f"/api/v1/apps/{shop['slug']}/problems?sort=oldest", headers=key_for())
            return list((response.json or {})["data"])

        return read

    def test_reports_of_further_problems_are_collected_in_one(
        self, client: FlaskClient, shop: dict[str, Any], problems: Callable[[], list[Any]], key_for: Any
    ) -> None:
        responses = [send(client, shop["ingestion_key"], numbered(number)) for number in range(3, 8)]
        assert {response.status_code for response in responses} == {201}
        (overflow_id,) = {response.json["problem_id"] for response in responses}
        found = problems()
        assert len(found) == 4
        overflow = next(problem for problem in found if problem["id"] == overflow_id)
        assert overflow["error_class"] == "Too many problems"
        assert overflow["error_message"].startswith("This app has 3 problems, the maximum that CHECKEND_MAX_APP")
        assert overflow["notices_count"] == 5
        notices = client.get(f"/api/v1/apps/{shop['slug']}/problems/{overflow_id}/notices", headers=key_for()).json
        assert notices is not None
        assert {(notice["error_class"], notice["error_message"]) for notice in notices["data"]} == {
            ("E", f"error {number}") for number in range(3, 8)
        }

    def test_different_errors_in_it_are_not_duplicates(self, client: FlaskClient, shop: dict[str, Any]) -> None:
        def report(error_class: str) -> bool:
            deduplicated: bool = send(client, shop["ingestion_key"], {"class": error_class}).json["deduplicated"]
            return deduplicated

        assert [report(name) for name in ("First", "Second", "First", "Second")] == [False, False, True, True]

    def test_existing_problems_still_accept_reports(self, client: FlaskClient, shop: dict[str, Any]) -> None:
        send(client, shop["ingestion_key"], numbered(3))
        known = send(client, shop["ingestion_key"], numbered(1)).json
        assert (known["deduplicated"], known["problem_id"]) == (True, 2)

    def test_no_custom_fingerprint_reaches_it(self, client: FlaskClient, shop: dict[str, Any]) -> None:
        overflow = send(client, shop["ingestion_key"], numbered(3)).json["problem_id"]
        with closing(sqlite3.connect(database_path(Path(client.application.instance_path)))) as store:
            (fingerprint,) = store.execute("SELECT fingerprint FROM problems WHERE id = ?", (overflow,)).fetchone()
            store.execute("DELETE FROM notices WHERE problem_id = 1")
            store.execute("DELETE FROM problems WHERE id = 1")
            store.execute("UPDATE apps SET problems_count = 2")
            store.commit()
        response = send(client, shop["ingestion_key"], {"fingerprint": fingerprint}).json
        assert response["problem_id"] != overflow

    def test_new_problems_are_opened_again_after_others_were_deleted(
        self, app: Flask, client: FlaskClient, shop: dict[str, Any]
    ) -> None:
        overflow = send(client, shop["ingestion_key"], numbered(3)).json["problem_id"]
        Factory(app).run(lambda: list(delete_in_batches(ProblemSelection(AppScope.all(), (1, 2)))))
        assert send(client, shop["ingestion_key"], numbered(4)).json["problem_id"] not in (1, 2, 3, overflow)


def test_stored_bytes_agree_with_the_rows(app: Flask, client: FlaskClient, make: Factory) -> None:
    keys = [make.app()["ingestion_key"] for _ in range(2)]
    for number in range(40):
        error = numbered(number % 7, message="ü\0" * (number % 5), backtrace=[f"/srv/{number % 3}.py:{number} in fail"])
        for key in keys:
            send(client, key, error, 500)
    send(client, keys[0], {"class": "Ä" * 3_000, "message": "ö" * 9_000, "fingerprint": "long"})
    assert wrong_counts(app) == []
    make.run(lambda: delete_problems([1]))
    make.run(lambda: list(delete_in_batches(ProblemSelection(AppScope.all(), (2, 3)))))
    with app.app_context():
        for _ in clean_up(RetentionLimits(0, 2)):
            pass
    assert wrong_counts(app) == []
    with app.app_context():
        assert db.session.scalar(select(func.sum(App.stored_bytes))) > 0


def test_duplicates_with_new_facets_are_charged_to_their_app(app: Flask, client: FlaskClient, make: Factory) -> None:
    key = make.app()["ingestion_key"]

    def stored_bytes() -> int:
        return make.run(lambda: db.session.scalar(select(App.stored_bytes)) or 0)

    def repeat(number: int) -> None:
        context = {name: "\U0001f600" * 190 + str(number) for name in ("environment", "revision", "hostname")}
        body = {"error": {"class": "E", "message": "m", "fingerprint": "same"}, "context": context}
        client.post(INGEST, json=body, headers={"Checkend-Ingestion-Key": key})

    repeat(0)
    before = stored_bytes()
    for number in range(1, 60):  # ten more than are counted by themselves
        repeat(number)
    assert 49 * 3 * 4 * 190 < stored_bytes() - before < 50 * 3 * 4 * 250
    assert wrong_counts(app) == []
    make.run(lambda: list(delete_in_batches(ProblemSelection(AppScope.all()))))
    assert wrong_counts(app) == []
    assert stored_bytes() == 0


def test_duplicates_in_new_hours_are_charged_to_their_app(app: Flask, client: FlaskClient, make: Factory) -> None:
    key = make.app()["ingestion_key"]

    def stored_bytes() -> int:
        return make.run(lambda: db.session.scalar(select(App.stored_bytes)) or 0)

    def send_at(hour: int) -> None:
        occurred_at = f"2020-01-{1 + hour // 24:02}T{hour % 24:02}:30:00Z"
        assert send(client, key, numbered(1, backtrace=[], occurred_at=occurred_at)).status_code == 201

    send_at(0)
    before = stored_bytes()
    for hour in range(100):
        send_at(hour)
        if hour == 50:
            make.app("Another")  # a change by another connection: nothing that was remembered holds any more
    assert stored_bytes() - before == 99 * 35
    assert wrong_counts(app) == []
    make.run(lambda: list(delete_in_batches(ProblemSelection(AppScope.all()))))
    assert stored_bytes() == 0


def test_reports_give_a_problem_a_limited_number_of_tags(app: Flask, client: FlaskClient, make: Factory) -> None:
    key = make.app()["ingestion_key"]
    for number in range(0, 100, 20):
        tags = [f"tag-{number + each}" for each in range(20)]
        assert send(client, key, numbered(1, tags=tags)).status_code == 201
    assert make.run(lambda: db.session.scalar(select(func.count()).select_from(ProblemTag))) == 50


def test_a_problem_truncates_class_and_message_and_its_notice_keeps_them(
    app: Flask, client: FlaskClient, make: Factory, key_for: Any
) -> None:
    shop = make.app()
    message, error_class = "needle " + "m" * 60_000, "C" * 900
    sent = send(client, shop["ingestion_key"], {"class": error_class, "message": message}).json
    with app.app_context():
        problem = db.session.get_one(Problem, sent["problem_id"])
        assert len(problem.first_message) == 2_000
        assert problem.first_message.endswith("[SHORTENED: 60007 characters in all]")
        assert len(problem.error_class) == 500
        assert len(problem.search_text) == 1_000
    address = f"/api/v1/apps/{shop['slug']}/problems/{sent['problem_id']}/notices/{sent['id']}"
    notice = client.get(address, headers=key_for()).json
    assert notice is not None
    assert (notice["error_class"], notice["error_message"]) == (error_class, message)


def test_an_app_that_cannot_shrink_is_logged_once_an_hour(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = serve(MAX_APP_BYTES=CAP)
    key = Factory(app).app()["ingestion_key"]
    send(app.test_client(), key, numbered(1))
    with Factory(app).writing() as session:
        session.execute(update(App).values(stored_bytes=2 * CAP))
    retention = services(app).retention
    logging.getLogger("checkend").propagate = True

    def warnings_of_looks(number: int) -> int:
        caplog.clear()
        for _ in range(number):
            retention.run(whole=False)
        return sum(record.name == "checkend.retention" and record.levelname == "WARNING" for record in caplog.records)

    assert warnings_of_looks(5) == 2
    assert warnings_of_looks(5) == 0
    monkeypatch.setattr("checkend.retention.size_limits.REPEAT_SECONDS", 0.0)
    assert warnings_of_looks(1) == 2
