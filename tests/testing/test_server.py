"""The server of a test, in this process and in its own."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from checkend.testing import ApiError, CheckendApp, Server
from checkend.testing.app import FixtureError
from checkend.testing.server import ServerNotRunningError, ServerStartError
from tests.support.fixture_process import environment, folders, in_vain, listens, report, soon


@pytest.fixture(scope="module", params=["thread", "process"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(process=request.param == "process") as server:
        yield server


def test_it_takes_reports_as_soon_as_it_is_there(server: Server) -> None:
    with server.new_app() as app:
        status, answer, _ = report(app, "KeyError", "'x'")
        assert (status, answer["deduplicated"]) == (201, False)
        assert [problem["error_class"] for problem in app.problems()] == ["KeyError"]
        assert [notice["error_message"] for notice in app.notices()] == ["'x'"]


def test_its_own_app_is_the_same_each_time(server: Server) -> None:
    report(server.app, "Mine")
    assert server.app.wait_for_problem("Mine")["error_class"] == "Mine"
    assert server.app.env == {
        "CHECKEND_ENDPOINT": server.url,
        "CHECKEND_API_KEY": server.app.ingestion_key,
        "CHECKEND_ENVIRONMENT": "production",
    }


def test_apps_see_nothing_of_each_other(server: Server) -> None:
    with server.new_app("one") as one, server.new_app("two") as two:
        report(one, "OfOne")
        one.faults.answer(500)
        report(two, "OfTwo")
        assert [problem["error_class"] for problem in one.problems()] == ["OfOne"]
        assert [problem["error_class"] for problem in two.problems()] == ["OfTwo"]
        assert [entry["app"] for entry in two.requests()] == [two.slug]
        one.reset()
        assert not one.problems()
        assert not one.requests()
        assert two.problems()
        assert two.requests()


def test_a_removed_app_leaves_nothing_and_its_keys_are_dead(server: Server) -> None:
    with server.new_app("gone") as gone:
        report(gone)
    with server.new_app("next") as following:
        assert gone.slug not in [app["slug"] for app in following.client.apps()]
        assert report(gone)[0] == 401
        with pytest.raises(ApiError, match="Invalid or revoked API key"):
            gone.problems()
        with pytest.raises(FixtureError, match="has no app 'gone'"):
            gone.requests()
        gone.disconnect()


def test_each_repeat_is_a_notice_of_its_own(server: Server) -> None:
    with server.new_app() as app:
        for _ in range(3):
            report(app)
        assert app.wait_for_problem(count=3)["notices_count"] == 3
        assert len(app.notices()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("process", [False, True])
def test_settings_are_those_given_and_never_the_environments(process: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKEND_NOTICE_DEDUP_STATUS", "200")
    with Server(process=process, settings={"NOTICE_DEDUP_ENABLED": True}) as server:
        assert [report(server.app)[0], report(server.app)[0]] == [201, 201]
        assert server.app.problems()[0]["deduplicated_count"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("process", [False, True])
def test_after_its_end_there_is_no_file_port_or_thread(process: bool) -> None:
    before, threads = folders(), set(threading.enumerate())
    with Server(process=process) as server:
        url, app = server.url, server.app
        report(app)
        assert folders() - before
    assert not listens(url)
    assert not folders() - before
    assert not {thread.name for thread in set(threading.enumerate()) - threads}
    with pytest.raises(ServerNotRunningError):
        server.new_app()
    server.stop()  # is no error


@pytest.mark.slow
def test_one_that_is_not_stopped_ends_with_the_program(tmp_path: Path) -> None:
    code = (
        "from checkend.testing import Server\n"
        "a, b = Server().start(), Server(process=True).start()\n"
        "print(a.url, b.url)"
    )
    before = folders()
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not [url for url in ended.stdout.split() if listens(url)]
    assert not folders() - before


def test_the_programs_logging_stays_as_it_was() -> None:
    loggers = [logging.getLogger(name) for name in ("checkend", "waitress", "werkzeug")]
    loggers[1].handlers[:], loggers[1].propagate = [logging.NullHandler()], True
    before = [(list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    with Server():
        assert [(list(logger.handlers), logger.level, logger.propagate) for logger in loggers] == before


def test_the_end_waits_for_no_request_that_is_held_up() -> None:
    with Server() as server:
        server.app.faults.hang()
        held = in_vain(report, server.app)
        waiting = in_vain(server.app.wait_for_problem, timeout=60)
        assert soon(lambda: len(server.app.requests()) == 1)
        time.sleep(0.3)
        started = time.monotonic()
    assert time.monotonic() - started < 3
    held.join(5)
    waiting.join(5)


@pytest.mark.slow
def test_one_that_cannot_start_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ServerStartError, match="exited with status 1"):
        Server(process=True, settings={"THREADS": "many"}).start()
    assert "CHECKEND_THREADS is 'many', but must be a whole number" in capfd.readouterr().err


def test_the_control_routes_exist_in_fixture_mode_only(tested: CheckendApp, client: object) -> None:
    assert client.get("/_fixture/journal").status_code == 404  # type: ignore[attr-defined]  # the app without it
    assert tested.requests() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/_fixture/faults", b'{"fault":"burn"}', 422, "fault must be one of status, hang, cut, slow."),
        ("POST", "/_fixture/faults", b'{"status":99}', 422, "status must be a whole number from 400 to 599."),
        ("POST", "/_fixture/faults", b'{"fault":"slow"}', 422, "seconds must be a number from 0 to 300."),
        ("POST", "/_fixture/faults", b'{"status":500,"time":1}', 422, "Unknown field: time."),
        ("POST", "/_fixture/faults", b"[1]", 422, "The body must be a JSON object."),
        ("GET", "/_fixture/wait?count=-1", None, 422, "count must be a whole number from 0 to 1000000."),
        ("GET", "/_fixture/wait?timeout=x", None, 422, "timeout must be a number of seconds from 0 to 300."),
        ("GET", "/_fixture/wait?app=nobody", None, 404, "The fixture has no app 'nobody'."),
        ("POST", "/_fixture/reset?app=nobody", None, 404, "The fixture has no app 'nobody'."),
        ("POST", "/_fixture/apps", b'{"name":" "}', 422, "name must be a non-blank string."),
    ],
)
def test_control_requests_that_are_wrong_are_told_so(
    tested: CheckendApp, method: str, path: str, body: bytes | None, status: int, error: str
) -> None:
    connection = HTTPConnection(urlsplit(tested.url).netloc)
    connection.request(method, path, body)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (status, {"error": error})
    connection.close()
