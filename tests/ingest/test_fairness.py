"""A flood of reports of one app does not delay other apps: bytes, CPU time and large reports are limited per app."""

import gzip
import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from waitress import create_server
from werkzeug.test import TestResponse

from checkend.app import create_app
from checkend.db.connection import connect
from checkend.db.schema import database_path
from checkend.ingest.exceptions import DatabaseUnavailableError, RateLimitedError
from checkend.ingest.large_reports import LARGE_BYTES, LargeReportLimiter
from checkend.ingest.rate_limit import SAMPLE, RateLimiter
from checkend.ingest.server_queue import request_threads, seconds_in_queue
from checkend.services import services
from tests.support.clients import Channel, Clients, Request, make_get, make_instance, wait_until
from tests.support.factories import Factory
from tests.support.server_process import LiveServer
from tests.telemetry.test_metrics import value

pytestmark = pytest.mark.slow

INGEST = "/ingest/v1/errors"
Start = Callable[..., tuple[Flask, str, str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Provide ``start(SETTING=…)``, which returns a server with these settings and the ingestion keys of two apps."""
    apps = []

    def make_server(**settings: Any) -> tuple[Flask, str, str]:
        app = create_app(settings, instance_path=tmp_path / "instance")
        apps.append(app)
        make = Factory(app)
        return app, make.app("Shop")["ingestion_key"], make.app("Blog")["ingestion_key"]

    yield make_server
    for app in apps:
        services(app).close()


def body(size: int, number: int = 0) -> bytes:
    """Return a report of ``size`` bytes or slightly more."""
    error = {"class": "E", "message": str(number), "backtrace": [f"/srv/a.py:{number} in f{number}"]}
    return json.dumps({"error": error, "context": {"padding": "x " * (size // 2)}}).encode()


def post(app: Flask, key: str, data: bytes, environ: dict[str, Any] | None = None, **headers: str) -> TestResponse:
    sent = {"Checkend-Ingestion-Key": key} | {name.replace("_", "-"): text for name, text in headers.items()}
    return app.test_client().post(
        INGEST, data=data, headers=sent, content_type="application/json", environ_overrides=environ
    )


def test_bytes_are_charged_as_unpacked_and_another_app_is_not_affected(start: Start) -> None:
    app, shop, blog = start(RATE_LIMIT_INGESTION_BYTES_PER_MINUTE="100000")
    assert post(app, shop, body(20_000)).status_code == 201
    packed = gzip.compress(body(90_000))
    assert len(packed) < 2000
    assert post(app, shop, packed, Content_Encoding="gzip").status_code == 201
    rejected = post(app, shop, body(10))
    assert rejected.status_code == 429
    wait = int(rejected.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert rejected.json == {"error": f"Rate limit exceeded: too many bytes of reports. Retry after {wait} seconds."}
    assert post(app, blog, body(10)).status_code == 201
    metrics = app.test_client().get("/metrics").text
    assert value(metrics, "checkend_reports_rejected_total", app="shop", reason="rate_limit_bytes") == 1


def test_a_malformed_report_is_charged_as_well(start: Start) -> None:
    app, shop, _ = start(RATE_LIMIT_INGESTION_BYTES_PER_MINUTE="50000")
    assert post(app, shop, b"[" * 60_000).status_code == 400
    assert post(app, shop, body(10)).status_code == 429


@pytest.mark.parametrize(("size", "number"), [(10_000, 3), (100, 2 * SAMPLE)])
def test_cpu_time_is_charged_whether_every_report_is_measured_or_a_sample(
    start: Start, monkeypatch: pytest.MonkeyPatch, size: int, number: int
) -> None:
    readings = itertools.count()
    fake = SimpleNamespace(thread_time=lambda: next(readings) * 0.5, monotonic=lambda: 0.0)
    monkeypatch.setattr("checkend.ingest.rate_limit.time", fake)
    app, shop, blog = start(RATE_LIMIT_INGESTION_CPU_SECONDS_PER_MINUTE="1")
    statuses = [post(app, shop, body(size, each)).status_code for each in range(number)]
    assert statuses == [201] * statuses.count(201) + [429] * statuses.count(429)
    assert statuses.count(201) == (2 if size > 1000 else SAMPLE)
    assert "processing time" in post(app, shop, body(10)).json["error"]
    assert post(app, blog, body(10)).status_code == 201


def test_limits_use_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = RateLimiter(1, 1)
    assert limiter.take(1) == 0
    first = limiter.take(1)
    for jump in (-86_400, 86_400):
        monkeypatch.setattr("time.time", lambda jump=jump: 1_800_000_000.0 + jump)
        assert first - 5 <= limiter.take(1) <= first


def send_while_locked(app: Flask, waited: float | None, requests: list[tuple[str, bytes]]) -> list[TestResponse]:
    """Send the requests in order, each in a thread, while the database is locked; then unlock it."""
    writer = services(app).ingestion.writer
    writer.queue.stalled_limit = 100
    responses: list[Future[TestResponse]] = []
    with (
        closing(connect(database_path(Path(app.instance_path)))) as other,
        ThreadPoolExecutor(len(requests)) as threads,
    ):
        other.execute("BEGIN IMMEDIATE")
        for key, data in requests:
            before = writer.queue_length
            check = None if waited is None else Channel(waited).check_client_disconnected
            response = threads.submit(post, app, key, data, {"waitress.client_disconnected": check} if check else {})
            responses.append(response)
            wait_until(lambda before=before, response=response: writer.queue_length > before or response.done())  # type: ignore[misc]  # binds the loop's values
        other.execute("ROLLBACK")
    return [response.result() for response in responses]


@pytest.mark.parametrize("waited", [None, 0.5])
def test_when_the_server_is_behind_an_app_has_large_reports_in_half_the_threads_at_most(
    start: Start, waited: float | None
) -> None:
    app, shop, blog = start()
    services(app).ingestion._learn_threads = lambda environ: None
    requests = [(shop, body(LARGE_BYTES, number)) for number in range(6)]
    requests += [(blog, body(LARGE_BYTES, 6)), (shop, body(100, 7))]
    responses = send_while_locked(app, waited, requests)
    assert [response.status_code for response in responses] == [201] * 4 + [429] * 2 + [201] * 2
    assert responses[4].headers["Retry-After"] == "1"
    assert responses[4].json["error"].startswith("Rate limit exceeded: too many large reports at once.")
    assert post(app, shop, body(LARGE_BYTES, 8)).status_code == 201
    metrics = app.test_client().get("/metrics").text
    assert value(metrics, "checkend_reports_rejected_total", app="shop", reason="rate_limit_large_reports") == 2


def test_a_burst_of_large_reports_is_accepted_while_the_server_keeps_up(start: Start) -> None:
    app, shop, _ = start()
    services(app).ingestion._learn_threads = lambda environ: None
    responses = send_while_locked(app, 0.0, [(shop, body(100_000, number)) for number in range(8)])
    assert {response.status_code for response in responses} == {201}


def test_an_app_has_no_more_bytes_in_progress_than_half_a_second_of_work(start: Start) -> None:
    app, shop, blog = start()
    responses = send_while_locked(app, 0.0, [(shop, body(900_000, n)) for n in range(3)] + [(blog, body(900_000, 3))])
    assert [response.status_code for response in responses] == [201, 201, 429, 201]


def test_large_reports_are_never_rejected_where_rate_limits_are_off(start: Start) -> None:
    app, shop, _ = start(RATE_LIMIT_ENABLED="false")
    responses = send_while_locked(app, None, [(shop, body(900_000, number)) for number in range(5)])
    assert {response.status_code for response in responses} == {201}


def test_large_reports_are_processed_one_at_a_time_and_wait_for_their_turn_only_until_their_deadline() -> None:
    large = LargeReportLimiter(limited=True, threads=8)
    with large.admit(1, LARGE_BYTES, 0.0, time.monotonic() + 1) as turn:
        with pytest.raises(DatabaseUnavailableError), large.admit(2, LARGE_BYTES, 0.0, time.monotonic() + 0.05):
            pass
        turn.release()
        with large.admit(2, LARGE_BYTES, 0.0, time.monotonic() + 1):
            pass
    for app_id in range(7):
        large._enter(app_id, LARGE_BYTES, is_behind=True)
    with pytest.raises(RateLimitedError):  # one thread is left
        large._enter(7, LARGE_BYTES, is_behind=True)


def test_the_queue_time_and_the_number_of_threads_of_waitress() -> None:
    measured: list[tuple[float | None, int]] = []

    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        measured.append((seconds_in_queue(environ), request_threads(environ, 99)))
        time.sleep(0.3)
        start_response("204 No Content", [])
        return []

    server = create_server(wsgi_app, host="127.0.0.1", port=0, threads=1)
    threading.Thread(target=server.run, daemon=True).start()

    def get(_: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.effective_port)) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()

    with ThreadPoolExecutor(2) as clients:
        list(clients.map(get, range(2)))
    server.task_dispatcher.shutdown()
    server.close()
    (first, _), (second, _) = measured
    assert first is not None
    assert second is not None
    assert [threads for _, threads in measured] == [1, 1]
    assert first >= 0
    assert second > 0.2  # it waited for the only thread
    assert (seconds_in_queue({}), request_threads({}, 99)) == (None, 99)


def expensive_bodies() -> list[bytes]:
    """Generate reports of almost a megabyte, with many keys and frames."""
    choose = random.Random(1)
    context = {f"key_{n}": {f"k{m}": f"value {choose.random()}" for m in range(12)} for n in range(2000)}
    frames = [f"/srv/a{number}.py:{number} in f{number}" for number in range(300)]
    return [
        json.dumps({"error": {"class": "E", "message": f"m{n}", "backtrace": frames}, "context": context}).encode()
        for n in range(3)
    ]


def slowest_during_a_flood(clients: Clients) -> float:
    """Return the seconds of the slowest other request while sixty reports of the flood were handled."""
    before = len(clients.answers)

    def answers(*, of_flood: bool) -> list[float]:
        return [one.seconds for one in clients.answers[before:] if (one.name == "flood") is of_flood]

    wait_until(lambda: len(answers(of_flood=True)) >= 60 and len(answers(of_flood=False)) >= 30, seconds=30)
    return max(answers(of_flood=False))


def test_during_one_apps_flood_another_apps_reports_and_the_pages_respond(tmp_path: Path) -> None:
    shop, api_key = make_instance(tmp_path)
    bodies = expensive_bodies()
    assert 800_000 < len(bodies[0]) < 1_048_576
    json_type = {"Content-Type": "application/json"}
    app = create_app({}, instance_path=tmp_path)
    blog = Factory(app).app("Blog")["ingestion_key"]
    services(app).close()
    numbers = itertools.count()

    def flood() -> Request:
        return "flood", "POST", INGEST, bodies[next(numbers) % 3], {"Checkend-Ingestion-Key": shop} | json_type

    def report() -> Request:
        return "report", "POST", INGEST, body(1000, next(numbers)), {"Checkend-Ingestion-Key": blog} | json_type

    with LiveServer(tmp_path) as server, Clients(server) as clients:
        clients.start(1, report)
        clients.start(1, lambda: make_get("/api/v1/apps", {"Checkend-API-Key": api_key}))
        clients.start(1, lambda: make_get("/sign-in", {}))
        clients.start(20, flood)
        slowest = [slowest_during_a_flood(clients)]
        while slowest[-1] >= 1 and len(slowest) < 4:  # other programs may have had the processors meanwhile
            slowest.append(slowest_during_a_flood(clients))
    statuses = {name: Counter(a.status for a in clients.answers if a.name == name) for name in ("flood", "report")}
    assert set(statuses["flood"]) == {201, 429}
    assert set(statuses["report"]) == {201}
    others = [answer for answer in clients.answers if answer.name != "flood"]
    assert {answer.status for answer in others} <= {200, 201}
    assert min(slowest) < 1, slowest
