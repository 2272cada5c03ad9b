"""The notice feed, which programs poll for new notices."""

import threading
import time
from pathlib import Path

import pytest
from flask import Flask

from checkend import clock
from checkend.db.compression import compress
from checkend.ingest.pipeline import ingestion
from checkend.models import Notice
from checkend.models.notice import ID_SCAN_LIMIT
from checkend.services import services
from checkend.testing import Client, Server
from tests.support.api import Api, assert_error, counting
from tests.support.factories import Factory
from tests.support.fixture_process import soon


def test_a_request_without_a_cursor_returns_the_current_one(api: Api, make: Factory) -> None:
    make.app()
    assert api.get("/arrivals").get_json() == {"data": [], "cursor": 0}
    make.problem(1, notices=2)
    assert api.get("/arrivals").get_json() == {"data": [], "cursor": 2}


def test_new_notices_are_listed_oldest_first_with_their_problems(api: Api, make: Factory) -> None:
    make.app()
    first = make.problem(1, notices=1, error_class="First")
    second = make.problem(1, notices=1, error_class="Second")
    response = api.get("/arrivals", after=0).get_json()
    entries = [(entry["notice_id"], entry["problem"]["error_class"]) for entry in response["data"]]
    assert entries == [
        (1, "First"),
        (2, "Second"),
    ]
    assert response["data"][0]["problem"] == api.get(f"/apps/1/problems/{first}").get_json()
    assert response["cursor"] == 2
    rest = api.get("/arrivals", after=1).get_json()
    assert [entry["problem"]["id"] for entry in rest["data"]] == [second]
    assert api.get("/arrivals", after=2).get_json() == {"data": [], "cursor": 2}


def test_the_feed_of_an_app_contains_only_its_notices(api: Api, make: Factory) -> None:
    make.app("One")
    make.app("Two")
    make.problem(1, notices=1)
    problem_id = make.problem(2, notices=1)
    response = api.get("/apps/two/arrivals", after=0).get_json()
    assert [entry["problem"]["id"] for entry in response["data"]] == [problem_id]
    assert api.get("/apps/one/arrivals", after=1).get_json() == {"data": [], "cursor": 2}


def test_a_client_far_behind_catches_up_in_steps_of_equal_cost(app: Flask, api: Api, make: Factory) -> None:
    make.app("Busy")
    make.app("Quiet")
    make.problem(1, notices=ID_SCAN_LIMIT + 50)
    problem_id = make.problem(2, notices=1)
    first = api.get("/apps/quiet/arrivals", after=0).get_json()
    assert first == {"data": [], "cursor": ID_SCAN_LIMIT + 1}
    second = api.get("/apps/quiet/arrivals", after=first["cursor"]).get_json()
    assert [entry["problem"]["id"] for entry in second["data"]] == [problem_id]
    many = api.get("/arrivals", after=0).get_json()
    assert (len(many["data"]), many["cursor"]) == (100, 100)
    with counting(app) as statements:
        api.get("/arrivals", after=0)
    assert len(statements) <= 7, statements


def test_gaps_of_deleted_ids_cost_nothing(app: Flask, api: Api, make: Factory) -> None:
    make.app()
    problem = make.problem(1)
    with make.writing() as session:
        session.add(Notice(id=5_000_000, problem_id=problem, occurred_at=clock.now(), payload=compress({})))
    response = api.get("/arrivals", after=1).get_json()
    assert ([entry["notice_id"] for entry in response["data"]], response["cursor"]) == ([5_000_000], 5_000_000)


def test_a_cursor_beyond_the_latest_notice_is_reset_to_it(api: Api, make: Factory) -> None:
    make.app()
    make.problem(1, notices=1)
    assert api.get("/arrivals", after=999).get_json() == {"data": [], "cursor": 1}


@pytest.mark.parametrize("parameters", [{"after": "x"}, {"after": "-1"}, {"after": 1, "wait": "soon"}])
def test_invalid_parameters_are_reported(api: Api, parameters: dict[str, str]) -> None:
    response = api.get("/arrivals", **parameters)
    assert_error(response, 422)
    assert response.get_json()["message"].startswith(("after", "wait"))


def test_a_poll_ends_when_a_notice_is_stored(app: Flask, api: Api, make: Factory) -> None:
    key = make.app()["ingestion_key"]

    def report() -> None:
        own = ingestion(app)
        own.accept(own.apps.find(key), {"error": {"class": "Late"}})

    timer = threading.Timer(0.3, report)
    timer.start()
    started = time.monotonic()
    response = api.get("/arrivals", after=0, wait=20).get_json()
    assert [entry["problem"]["error_class"] for entry in response["data"]] == ["Late"]
    assert 0.2 < time.monotonic() - started < 5
    timer.join()


def test_a_poll_that_times_out_returns_no_notices(api: Api) -> None:
    started = time.monotonic()
    assert api.get("/arrivals", after=0, wait=1).get_json() == {"data": [], "cursor": 0}
    assert 0.9 < time.monotonic() - started < 5


def test_polls_leave_threads_for_reports_and_do_not_delay_shutdown(tmp_path: Path) -> None:
    with Server(settings={"THREADS": 4}) as server:  # so one may wait
        client, waited = server.app.client, []

        def wait() -> None:
            started = time.monotonic()
            with Client(server.url, server.app.api_key) as other:
                other.arrivals(after=0, wait=20)
            waited.append(time.monotonic() - started)

        waiting = threading.Thread(target=wait)
        waiting.start()
        app = server._runner._fixture.app  # type: ignore[union-attr]  # it runs in a thread
        assert soon(lambda: services(app).notice_feed_waiters._value == 0)
        started = time.monotonic()
        client.arrivals(after=0, wait=20)
        assert time.monotonic() - started < 5  # the second is answered at once
        assert not waited
        started = time.monotonic()
    assert time.monotonic() - started < 3
    waiting.join()
    assert waited[0] < 6
