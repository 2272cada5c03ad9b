"""Faults on demand, and the journal."""

import gzip
import http.client
import socket
import threading
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from checkend.testing import CheckendApp, Server
from tests.support.fixture_process import in_vain, report, soon


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, "Invalid or missing ingestion key"),
        (422, "error.class is required"),
        (500, "An internal error occurred. It has been logged."),
        (418, "The test set a fault: status 418."),
    ],
)
def test_a_status_is_answered_as_the_server_would(tested: CheckendApp, status: int, error: str) -> None:
    tested.faults.answer(status, times=2)
    assert [report(tested)[:2] for _ in range(2)] == [(status, {"error": error})] * 2
    assert report(tested)[0] == 201
    assert tested.problems()[0]["notices_count"] == 1


def test_a_429_says_when_to_come_back(tested: CheckendApp) -> None:
    tested.faults.answer(429, retry_after=7, times=1)
    tested.faults.answer(429, times=1)
    status, answer, headers = report(tested)
    assert (status, headers["Retry-After"]) == (429, "7")
    assert answer == {"error": "Rate limit exceeded. Retry after 7 seconds."}
    assert report(tested)[2]["Retry-After"] == "60"


def test_until_reset_every_report_meets_the_fault(tested: CheckendApp) -> None:
    tested.faults.answer(503)
    assert [report(tested)[0] for _ in range(5)] == [503] * 5
    tested.faults.reset()
    assert report(tested)[0] == 201


def test_faults_come_in_the_order_in_which_they_were_set(tested: CheckendApp) -> None:
    tested.faults.answer(500, times=1)
    tested.faults.answer(422, times=1)
    tested.faults.answer(429)
    assert [report(tested)[0] for _ in range(4)] == [500, 422, 429, 429]


def test_a_cut_connection_has_no_answer(tested: CheckendApp) -> None:
    tested.faults.cut(times=1)
    with pytest.raises(http.client.RemoteDisconnected):
        report(tested)
    assert report(tested)[0] == 201
    cut = tested.wait_for_requests(2)[0]
    assert (cut["fault"], cut["status"], cut["answer"]) == ("cut", None, None)
    assert tested.problems()[0]["notices_count"] == 1


def test_a_report_hangs_until_the_client_gives_up(tested: CheckendApp) -> None:
    tested.faults.hang(times=1)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        report(tested, timeout=0.4)
    assert 0.3 < time.monotonic() - started < 3
    given_up = tested.wait_for_requests(1, timeout=2)[0]
    assert (given_up["fault"], given_up["status"]) == ("hang", None)
    assert not tested.problems()


def test_reset_lets_go_of_what_hangs(tested: CheckendApp) -> None:
    tested.faults.hang()
    ended = threading.Event()

    def hang() -> None:
        with pytest.raises(http.client.RemoteDisconnected):
            report(tested, timeout=30)
        ended.set()

    thread = threading.Thread(target=hang)
    thread.start()
    assert soon(lambda: len(tested.requests()) == 1)
    assert not ended.wait(0.2)
    tested.faults.reset()
    assert ended.wait(5)
    thread.join()


def test_others_are_answered_while_reports_hang(tested: CheckendApp, fixture_server: Server) -> None:
    tested.faults.hang()
    threads = [in_vain(report, tested, timeout=1) for _ in range(10)]
    assert soon(lambda: bool(tested.requests()))
    with fixture_server.new_app("other") as other:
        assert report(other)[0] == 201
    for thread in threads:
        thread.join()


def test_a_slow_answer_is_right_but_late(tested: CheckendApp) -> None:
    tested.faults.slow(0.3, times=1)
    started = time.monotonic()
    assert report(tested)[0] == 201
    assert 0.3 <= time.monotonic() - started < 3
    assert tested.requests()[0]["fault"] == "slow"
    assert tested.problems()


def test_browsers_may_read_the_answers_of_faults(tested: CheckendApp) -> None:
    tested.faults.answer(429, retry_after=1)
    headers = {"Origin": "https://shop.example", "Checkend-Ingestion-Key": tested.ingestion_key}
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(f"{tested.url}/ingest/v1/errors", b"{}", headers))
    caught.value.close()
    assert caught.value.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert caught.value.headers["Access-Control-Expose-Headers"].startswith("Retry-After, RateLimit-")


def test_the_journal_has_requests_as_they_came(tested: CheckendApp) -> None:
    packed = gzip.compress(b'{"error":{"class":"Packed"}}')
    connection = http.client.HTTPConnection(tested.url.removeprefix("http://"))
    connection.request(
        "POST",
        f"//ingest/v1/errors?key={tested.ingestion_key}",
        packed,
        {"Content-Encoding": "gzip", "X-Sdk": "täst".encode(), "Content-Type": "application/json"},
    )
    assert connection.getresponse().read()
    connection.close()
    (entry,) = tested.requests()
    assert (entry["method"], entry["path"], entry["query"]) == (
        "POST",
        "/ingest/v1/errors",
        f"key={tested.ingestion_key}",
    )
    assert entry["headers"]["Content-Encoding"] == "gzip"
    assert entry["headers"]["Content-Length"] == str(len(packed))
    assert entry["body"].startswith("base64:")
    assert entry["json"] == {"error": {"class": "Packed"}}
    assert (entry["status"], entry["app"], entry["fault"]) == (201, tested.slug, None)
    assert entry["answer_headers"]["Content-Type"] == "application/json"
    assert '"deduplicated":false' in (entry["answer"] or "")


def test_the_journal_leaves_out_what_the_test_itself_asks(tested: CheckendApp) -> None:
    tested.problems()
    tested.client.apps()
    report(tested)
    assert [entry["path"] for entry in tested.requests()] == ["/ingest/v1/errors"]


def test_requests_are_waited_for(tested: CheckendApp) -> None:
    timer = threading.Timer(0.2, report, [tested])
    report(tested)
    timer.start()
    assert len(tested.wait_for_requests(2, timeout=10)) == 2
    timer.join()
    with pytest.raises(AssertionError, match=r"Expected 3 requests within 0.1 s, but received 2\."):
        tested.wait_for_requests(3, timeout=0.1)


def test_a_client_that_leaves_in_the_middle_harms_nothing(tested: CheckendApp) -> None:
    host, port = tested.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half:
        half.sendall(b"POST /ingest/v1/errors HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert report(tested)[0] == 201
    assert len(tested.requests()) == 1
