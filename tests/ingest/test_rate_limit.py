"""Limits on rates, sizes and the queue: excess reports are rejected with a clear message and at little cost."""

import gzip
import json
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from checkend.app import create_app
from checkend.db.connection import connect
from checkend.db.schema import database_path
from checkend.ingest.rate_limit import RateLimiter
from checkend.services import services
from tests.support.clients import wait_until
from tests.support.factories import Factory

INGEST = "/ingest/v1/errors"
Start = Callable[..., tuple[Flask, dict[str, str]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Provide ``start(SETTING=…)``, which returns a server with these settings and the headers of an ingestion key."""
    apps = []

    def make_server(**settings: Any) -> tuple[Flask, dict[str, str]]:
        app = create_app({"RATE_LIMIT_ENABLED": "false", **settings}, instance_path=tmp_path / "instance")
        apps.append(app)
        return app, {"Checkend-Ingestion-Key": Factory(app).app()["ingestion_key"]}

    yield make_server
    for app in apps:
        services(app).close()


def report(number: int = 0) -> dict[str, Any]:
    return {"error": {"class": "X", "message": str(number), "backtrace": [f"/srv/a.py:{number} in f{number}"]}}


def test_the_limiter_counts_each_minute_and_hour_of_an_app_on_its_own() -> None:
    now = [7200.0]
    limiter = RateLimiter(2, 3, seconds=lambda: now[0])
    assert [limiter.take(1) for _ in range(3)] == [0, 0, 60]
    assert limiter.take(2) == 0
    now[0] += 59.5
    assert limiter.take(1) == 1
    now[0] += 0.5
    assert limiter.take(1) == 0
    assert limiter.take(1) == 3540
    now[0] = 10800.0
    assert limiter.take(1) == 0


def test_the_headers_are_those_of_the_window_in_which_fewer_reports_remain() -> None:
    now = [7200.5]
    limiter = RateLimiter(3, 5, bytes_per_minute=100, seconds=lambda: now[0])

    def values() -> list[int]:
        return [int(value) for _, value in limiter.headers(1)]

    assert values() == [3, 3, 60]
    limiter.take(1)
    assert values() == [3, 2, 60]
    limiter.charge(1, 100, None)
    assert values() == [3, 0, 60]
    now[0] += 59.5
    assert values() == [3, 3, 60]
    limiter.take(1)
    limiter.take(1)
    assert values() == [3, 1, 60]
    now[0] += 60
    assert values() == [5, 2, 3480]
    assert [limiter.take(1) for _ in range(3)] == [0, 0, 3480]
    assert values() == [5, 0, 3480]
    now[0] += 3480
    assert values() == [3, 3, 60]
    assert dict(limiter.headers(2))["RateLimit-Remaining"] == "3"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])  # the fast path, and the route
def test_responses_state_the_limit_what_remains_and_when_it_is_reset(start: Start, content_type: str) -> None:
    app, headers = start(RATE_LIMIT_ENABLED="true", RATE_LIMIT_INGESTION_PER_MINUTE="4")
    client = app.test_client()
    client.post(INGEST, json=report(), headers=headers)  # so that the fast path knows the key

    def send(body: str) -> Any:
        return client.post(
            INGEST, data=body, content_type=content_type, headers=headers | {"Origin": "https://x.example"}
        )

    responses = [send(json.dumps(report())), send("{"), send(json.dumps(report())), send(json.dumps(report()))]
    assert [response.status_code for response in responses] == [201, 400, 201, 429]
    assert [response.headers["RateLimit-Limit"] for response in responses] == ["4"] * 4
    assert [response.headers["RateLimit-Remaining"] for response in responses] == ["2", "1", "0", "0"]
    assert all(1 <= int(response.headers["RateLimit-Reset"]) <= 60 for response in responses)
    assert responses[-1].headers["RateLimit-Reset"] == responses[-1].headers["Retry-After"]
    assert "RateLimit-Remaining" in responses[0].headers["Access-Control-Expose-Headers"]
    unknown = client.post(INGEST, json=report(), headers={"Checkend-Ingestion-Key": "cki_unknown"})
    assert "RateLimit-Limit" not in unknown.headers


def test_beyond_the_rate_a_key_gets_429_with_the_seconds_to_wait_and_another_key_does_not(start: Start) -> None:
    app, headers = start(RATE_LIMIT_ENABLED="true", RATE_LIMIT_INGESTION_PER_MINUTE="5")
    client, other = app.test_client(), Factory(app).app("Other")["ingestion_key"]
    responses = [client.post(INGEST, json=report(), headers=headers) for _ in range(7)]
    refused = responses[-1]
    assert refused.status_code == 429
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert refused.json == {"error": f"Rate limit exceeded. Retry after {wait} seconds."}
    assert client.post(INGEST, json=report(), headers={"Checkend-Ingestion-Key": other}).status_code == 201


def test_rate_limits_can_be_turned_off(start: Start) -> None:
    app, headers = start(RATE_LIMIT_ENABLED="false", RATE_LIMIT_INGESTION_PER_MINUTE="1")
    responses = [app.test_client().post(INGEST, json=report(), headers=headers) for _ in range(5)]
    assert {response.status_code for response in responses} == {201}
    assert not any("RateLimit-Limit" in response.headers for response in responses)


def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not(start: Start) -> None:
    app, headers = start(MAX_BODY_BYTES="5000")
    body = json.dumps(report()).encode()
    client = app.test_client()
    for data, packed in ((body.ljust(5000), False), (body.ljust(5000), True)):
        sent = headers | ({"Content-Encoding": "gzip"} if packed else {})
        assert client.post(INGEST, data=gzip.compress(data) if packed else data, headers=sent).status_code == 201
        data += b" "
        response = client.post(INGEST, data=gzip.compress(data) if packed else data, headers=sent)
        assert response.status_code == 413
        assert response.json["error"]


def test_a_decompression_bomb_is_rejected_at_the_cost_of_a_large_report(start: Start) -> None:
    app, headers = start()
    bomb = gzip.compress(b'{"error":{"class":"' + b"x" * 100_000_000 + b'"}}')
    assert len(bomb) < 1_000_000
    client = app.test_client()
    client.post(INGEST, json=report(), headers=headers)
    tracemalloc.start()
    began = time.perf_counter()
    try:
        response = client.post(INGEST, data=bomb, headers={**headers, "Content-Encoding": "gzip"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert response.status_code == 413
    assert time.perf_counter() - began < 2
    assert peak < 8_000_000


@pytest.mark.parametrize("spoil", [lambda data: data[:-5], lambda data: data + data, lambda data: b"no" + data])
def test_what_is_not_one_whole_gzip_stream_is_refused(start: Start, spoil: Callable[[bytes], bytes]) -> None:
    app, headers = start()
    data = spoil(gzip.compress(json.dumps(report()).encode()))
    response = app.test_client().post(INGEST, data=data, headers={**headers, "Content-Encoding": "gzip"})
    assert response.status_code == 400
    assert "gzip" in response.json["error"]


def test_a_report_beyond_all_limits_is_shortened_and_marked(start: Start) -> None:
    app, headers = start(LIMIT_FRAMES="10", LIMIT_KEYS="10", LIMIT_DEPTH="4", LIMIT_TEXT="1000")
    body = report()
    body["error"] |= {"message": "m" * 5000, "backtrace": [f"/a.py:{n} in f" for n in range(99)]}
    body["context"] = {"many": list(range(99)), "deep": [[[[[["bottom"]]]]]]}
    stored = app.test_client().post(INGEST, json=body, headers=headers)
    assert stored.status_code == 201
    from checkend.db.session import db
    from checkend.models import Notice

    with app.app_context():
        notice = db.session.get_one(Notice, stored.json["id"])
        assert notice.error_message.endswith("[SHORTENED: 5000 characters in all]")
        assert len(notice.raw_backtrace) == 10
        assert "[SHORTENED: 90 frames left out]" in notice.raw_backtrace
        assert notice.context["many"][-1] == "[SHORTENED: 90 more left out]"
        assert "nested too deeply" in str(notice.context["deep"])


def test_reports_wait_for_a_blocked_writer_then_503_and_none_is_stored_twice(start: Start) -> None:
    app, headers = start(INGEST_QUEUE_SIZE="4", INGEST_TIMEOUT_SECONDS="1", NOTICE_DEDUP_ENABLED="false")
    responses: list[tuple[int, str | None, int]] = []

    def send(number: int) -> None:
        response = app.test_client().post(INGEST, json=report(number), headers=headers)
        responses.append((response.status_code, response.headers.get("Retry-After"), number))

    send(0)
    other = connect(database_path(Path(app.instance_path)))
    other.execute("BEGIN IMMEDIATE")  # as another process would
    threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 13)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    writer = services(app).ingestion.writer
    assert Counter(status for status, _, _ in responses) == {201: 1, 503: 12}
    assert {retry for status, retry, _ in responses if status == 503} == {"5"}
    assert 0.9 < took < 4  # the limit, and as long again for the one that was being written
    assert writer.queue_length == 0

    other.execute("COMMIT")
    while responses[-1][::2] != (201, 20):  # the writer may be about to end its last attempt at the lock
        assert time.monotonic() - began < 10
        send(20)
    for number in range(21, 30):
        send(number)
    sent = sorted(number for status, _, number in responses if status == 201)
    assert sent == [0, *range(20, 30)]
    stored = other.execute("SELECT error_message FROM problems JOIN notices ON problem_id = problems.id").fetchall()
    other.close()
    assert sorted(int(message) for (message,) in stored) == sent


def test_reports_wait_for_a_briefly_blocked_writer(start: Start) -> None:
    app, headers = start()
    other = connect(database_path(Path(app.instance_path)))
    other.execute("BEGIN IMMEDIATE")
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=lambda n=n: statuses.append(  # type: ignore[misc]  # the default binds the loop's value
                app.test_client().post(INGEST, json=report(n), headers=headers).status_code
            )
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: services(app).ingestion.writer.queue_length == len(threads))
    assert statuses == []
    other.execute("COMMIT")
    other.close()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 8
