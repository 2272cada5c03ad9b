"""Following what is stored."""

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


def test_without_a_cursor_one_learns_where_to_begin(api: Api, make: Factory) -> None:
    make.app()
    assert api.get("/arrivals").get_json() == {"data": [], "cursor": 0}
    make.problem(1, notices=2)
    assert api.get("/arrivals").get_json() == {"data": [], "cursor": 2}


def test_what_was_stored_since_comes_oldest_first_with_its_problem(api: Api, make: Factory) -> None:
    make.app()
    first = make.problem(1, notices=1, error_class="First")
    second = make.problem(1, notices=1, error_class="Second")
    answer = api.get("/arrivals", after=0).get_json()
    found = [(one["notice_id"], one["problem"]["error_class"]) for one in answer["data"]]
    assert found == [
        (1, "First"),
        (2, "Second"),
    ]
    assert answer["data"][0]["problem"] == api.get(f"/apps/1/problems/{first}").get_json()
    assert answer["cursor"] == 2
    rest = api.get("/arrivals", after=1).get_json()
    assert [one["problem"]["id"] for one in rest["data"]] == [second]
    assert api.get("/arrivals", after=2).get_json() == {"data": [], "cursor": 2}


def test_an_apps_arrivals_are_its_own(api: Api, make: Factory) -> None:
    make.app("One")
    make.app("Two")
    make.problem(1, notices=1)
    mine = make.problem(2, notices=1)
    answer = api.get("/apps/two/arrivals", after=0).get_json()
    assert [one["problem"]["id"] for one in answer["data"]] == [mine]
    assert api.get("/apps/one/arrivals", after=1).get_json() == {"data": [], "cursor": 2}


def test_a_long_way_behind_one_gets_there_in_steps_of_the_same_cost(app: Flask, api: Api, make: Factory) -> None:
    make.app("Busy")
    make.app("Quiet")
    make.problem(1, notices=ID_SCAN_LIMIT + 50)
    mine = make.problem(2, notices=1)
    first = api.get("/apps/quiet/arrivals", after=0).get_json()
    assert first == {"data": [], "cursor": ID_SCAN_LIMIT + 1}
    second = api.get("/apps/quiet/arrivals", after=first["cursor"]).get_json()
    assert [one["problem"]["id"] for one in second["data"]] == [mine]
    many = api.get("/arrivals", after=0).get_json()
    assert (len(many["data"]), many["cursor"]) == (100, 100)
    with counting(app) as statements:
        api.get("/arrivals", after=0)
    assert len(statements) <= 5, statements


def test_ids_that_are_gone_are_no_way_to_go(app: Flask, api: Api, make: Factory) -> None:
    make.app()
    problem = make.problem(1)
    with make.writing() as session:
        session.add(Notice(id=5_000_000, problem_id=problem, occurred_at=clock.now(), payload=compress({})))
    answer = api.get("/arrivals", after=1).get_json()
    assert ([one["notice_id"] for one in answer["data"]], answer["cursor"]) == ([5_000_000], 5_000_000)


def test_a_cursor_beyond_all_there_is_comes_back_to_it(api: Api, make: Factory) -> None:
    make.app()
    make.problem(1, notices=1)
    assert api.get("/arrivals", after=999).get_json() == {"data": [], "cursor": 1}


@pytest.mark.parametrize("parameters", [{"after": "x"}, {"after": "-1"}, {"after": 1, "wait": "soon"}])
def test_parameters_that_cannot_be_read_are_named(api: Api, parameters: dict[str, str]) -> None:
    answer = api.get("/arrivals", **parameters)
    assert_error(answer, 422)
    assert answer.get_json()["message"].startswith(("after", "wait"))


def test_a_wait_ends_when_something_is_stored(app: Flask, api: Api, make: Factory) -> None:
    key = make.app()["ingestion_key"]

    def report() -> None:
        own = ingestion(app)
        own.accept(own.sender(key), {"error": {"class": "Late"}})

    timer = threading.Timer(0.3, report)
    timer.start()
    started = time.monotonic()
    answer = api.get("/arrivals", after=0, wait=20).get_json()
    assert [one["problem"]["error_class"] for one in answer["data"]] == ["Late"]
    assert 0.2 < time.monotonic() - started < 5
    timer.join()


def test_a_wait_in_vain_is_answered_with_nothing(api: Api) -> None:
    started = time.monotonic()
    assert api.get("/arrivals", after=0, wait=1).get_json() == {"data": [], "cursor": 0}
    assert 0.9 < time.monotonic() - started < 5


def test_those_who_wait_leave_threads_to_those_who_report_and_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with Server(settings={"THREADS": 4}) as server:  # so one may wait
        client, waited = server.app.client, []

        def wait() -> None:
            started = time.monotonic()
            with Client(server.url, server.app.api_key) as other:
                other.arrivals(after=0, wait=20)
            waited.append(time.monotonic() - started)

        waiting = threading.Thread(target=wait)
        waiting.start()
        app = server._runs._running.fixture.app  # type: ignore[union-attr]  # it runs in a thread
        assert soon(lambda: services(app).notice_feed_waiters._value == 0)
        started = time.monotonic()
        client.arrivals(after=0, wait=20)
        assert time.monotonic() - started < 5  # the second is answered at once
        assert not waited
        started = time.monotonic()
    assert time.monotonic() - started < 3
    waiting.join()
    assert waited[0] < 6
