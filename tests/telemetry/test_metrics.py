"""Metrics: counting, access to /metrics, /up, and `checkend status`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import CollectorRegistry

from checkend import clock
from checkend.app import create_app
from checkend.cli.status import parse
from checkend.db.transactions import write_transaction
from checkend.notifications.outgoing_mail import queue
from checkend.services import services
from checkend.telemetry.exposition import histogram_family
from checkend.telemetry.metrics import Histogram
from tests.support.factories import Factory
from tests.support.mail_server import MailServer, send_mail
from tests.support.server_process import LiveServer, command, environment
from tests.support.warm_processes import run

INGEST = "/ingest/v1/errors"
LINE = re.compile(r"# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{(?:[a-z]+=\"(?:[^\"\\\n]|\\[\\\"n])*\",?)+\})? -?[0-9.e+-]+")


def report(number: int) -> dict[str, Any]:
    return {"error": {"class": "E", "message": "m", "backtrace": [f"/srv/app.py:{number} in f{number}"]}}


def value(text: str, name: str, **labels: str) -> float:
    """Return the value of the only sample with this name and these labels."""
    (found,) = [value for own, value in parse(text)[name] if labels.items() <= own.items()]
    return found


def test_reports_are_counted_by_app_outcome_and_status(client: FlaskClient, make: Factory) -> None:
    shop, blog = make.app("Shop"), make.app("Blog")
    for app, number, times in ((shop, 1, 3), (shop, 2, 1), (blog, 1, 2)):
        for _ in range(times):
            client.post(INGEST, json=report(number), headers={"Checkend-Ingestion-Key": app["ingestion_key"]})
    client.post(INGEST, json={"error": {}}, headers={"Checkend-Ingestion-Key": shop["ingestion_key"]})
    client.post(INGEST, data=b"{", headers={"Checkend-Ingestion-Key": shop["ingestion_key"]})
    client.post(INGEST, json=report(1), headers={"Checkend-Ingestion-Key": "cki_nobodys"})
    text = client.get("/metrics").text
    counted = {tuple(labels.values()): int(count) for labels, count in parse(text)["checkend_reports_total"]}
    assert counted == {
        ("shop", "stored", "201"): 2,
        ("shop", "deduplicated", "201"): 2,
        ("blog", "stored", "201"): 1,
        ("blog", "deduplicated", "201"): 1,
        ("shop", "refused", "422"): 1,
        ("shop", "refused", "400"): 1,
        ("", "refused", "401"): 1,
    }


def test_metrics_are_valid_prometheus_text_about_writer_requests_database_and_retention(
    app: Flask, client: FlaskClient, make: Factory
) -> None:
    problem = make.problem(make.app()["id"])
    make.notice(problem, at=clock.from_micros(0))
    client.get("/api/v1/health")
    client.post(INGEST, json=report(1), headers={"Checkend-Ingestion-Key": make.app("Other")["ingestion_key"]})
    services(app).retention._max_share = 100  # the notice of 1970 looks like a clock that has jumped
    services(app).retention.run()
    answer = client.get("/metrics")
    text = answer.text
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    assert value(text, "checkend_queue_length") == 0
    assert value(text, "checkend_batch_size_count") == 1
    assert value(text, "checkend_batch_size_bucket", le="1") == 1
    assert value(text, "checkend_commit_seconds_count") == 1
    assert 0 < value(text, "checkend_commit_seconds_sum") < 5
    assert value(text, "checkend_requests_total", group="api", status="200") == 1
    assert value(text, "checkend_request_seconds_count", group="ingest") == 1
    assert value(text, "checkend_store_readable") == 1
    assert value(text, "checkend_store_bytes") >= value(text, "checkend_store_used_bytes") > 100_000
    assert value(text, "checkend_retention_notices_total") == 1
    assert value(text, "checkend_retention_runs_total") == 1
    assert value(text, "checkend_retention_finished_seconds") > value(text, "process_start_time_seconds")
    types = re.findall(r"# TYPE (\S+)", text)
    assert len(types) == len(set(types))


def test_mails_are_counted_by_outcome(app: Flask, client: FlaskClient, mail_server: MailServer) -> None:
    def counted() -> tuple[float, float]:
        text = client.get("/metrics").text
        sent, failed = (
            value(text, "checkend_notifications_total", channel="mail", outcome=outcome)
            for outcome in ("sent", "failed")
        )
        return sent, failed

    before = counted()
    with app.app_context(), write_transaction():
        queue("a@example.com", "Hello", "text")
        queue("b@example.com", "Hello", "text")
    app.config |= {
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": mail_server.port,
        "MAIL_TLS": "none",
        "URL": "http://x.example",
    }
    send_mail(app)
    assert counted() == (before[0] + 2, before[1])
    mail_server.close()
    with app.app_context(), write_transaction():
        queue("a@example.com", "Hello", "text")
    send_mail(app)
    assert counted() == (before[0] + 2, before[1] + 1)


def rendered(family: Metric) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.collect = lambda: [family]  # type: ignore[method-assign]  # a registry of one family
    return generate_latest(registry).decode()


def test_a_bucket_counts_the_values_up_to_its_bound() -> None:
    histogram = Histogram((1, 2, 5))
    for number in (0.5, 1, 1.5, 5, 6):
        histogram.add(number)
    assert rendered(histogram_family("h", "help", [([], histogram)])).splitlines() == [
        "# HELP h help",
        "# TYPE h histogram",
        'h_bucket{le="1"} 2.0',
        'h_bucket{le="2"} 3.0',
        'h_bucket{le="5"} 4.0',
        'h_bucket{le="+Inf"} 5.0',
        "h_count 5.0",
        "h_sum 14.0",
    ]


def test_labels_are_escaped() -> None:
    histogram = Histogram((1,))
    histogram.add(1)
    family = histogram_family("h", "help", [(['q"b\\c\nd'], histogram)], ("a",))
    text = rendered(family)
    assert text.splitlines()[-1] == r'h_sum{a="q\"b\\c\nd"} 1.0'
    assert value(text, "h_sum", a='q"b\\c\nd') == 1


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"]
)
def test_metrics_are_forbidden_through_a_proxy_on_this_machine(client: FlaskClient, header: str) -> None:
    assert client.get("/metrics").status_code == 200
    answer = client.get("/metrics", headers={header: "127.0.0.1"})
    assert answer.status_code == 403
    assert "CHECKEND_METRICS_TOKEN" in answer.text
    assert "checkend_" not in answer.text


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        *((peer, 200) for peer in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")),
        *((peer, 403) for peer in ("10.0.0.5", "203.0.113.9", "::ffff:10.0.0.5", "2001:db8::1", "")),
    ],
)
def test_metrics_are_available_from_this_machine_only(client: FlaskClient, peer: str, status: int) -> None:
    assert client.get("/metrics", environ_overrides={"REMOTE_ADDR": peer}).status_code == status


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Flask]:
    """Create an app with a trusted proxy and a metrics token."""
    settings = {"METRICS_TOKEN": "s3cret", "TRUSTED_PROXIES": "1"}
    app = create_app(settings, instance_path=tmp_path / "instance")
    yield app
    services(app).close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
        ("Bearer wrong", 403),
        ("Bearer ", 403),
        ("s3cret", 403),
        ("", 403),
        ("Basic s3cret", 403),
        ("Bearer s3cret2", 403),
        ("Bearer schlüssel", 403),
    ],
)
def test_the_token_gives_access_to_metrics_from_anywhere(elsewhere: Flask, sent: str, status: int) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"} | ({"Authorization": sent} if sent else {})
    assert elsewhere.test_client().get("/metrics", headers=headers).status_code == status


def test_a_forged_forwarding_header_gives_no_access_to_metrics(elsewhere: Flask) -> None:
    client = elsewhere.test_client()
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403
    assert client.get("/metrics").status_code == 200


def test_an_empty_token_gives_no_access(client: FlaskClient) -> None:
    peer = {"REMOTE_ADDR": "203.0.113.9"}
    answer = client.get("/metrics", headers={"Authorization": "Bearer "}, environ_overrides=peer)
    assert answer.status_code == 403


def break_store(app: Flask) -> None:
    """Replace the database by a file that is not one, for new connections."""
    from checkend.db.session import db

    with app.app_context():
        db.engine.dispose()
    for file in Path(app.instance_path).glob("checkend.sqlite3*"):
        file.unlink()
    (Path(app.instance_path) / "checkend.sqlite3").write_bytes(b"no store " * 1000)


def test_up_states_whether_the_database_can_be_read(app: Flask, client: FlaskClient) -> None:
    answer = client.get("/up")
    assert (answer.status_code, answer.text) == (200, "up\n")
    assert "Set-Cookie" not in answer.headers
    break_store(app)
    answer = client.get("/up")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def test_metrics_are_available_even_if_the_database_cannot_be_read(app: Flask, client: FlaskClient) -> None:
    client.get("/up")
    break_store(app)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert value(answer.text, "checkend_store_readable") == 0
    assert value(answer.text, "checkend_requests_total", group="monitoring", status="200") == 1


def status(folder: Path, *arguments: str, **settings: str) -> str:
    done = run(["status", *arguments], env=environment(folder, **settings))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_status_works_with_and_without_a_running_server(tmp_path: Path) -> None:
    app = command(tmp_path, "app", "create", "Shop")
    with LiveServer(tmp_path) as server, server.connect() as connection:
        for number in (1, 1, 2):
            connection.ask("POST", INGEST, report(number), Checkend_Ingestion_Key=app["ingestion_key"])
        connection.ask("POST", INGEST, report(1), Checkend_Ingestion_Key="cki_nobodys")
        text = status(tmp_path, "--url", server.url)
        found = json.loads(status(tmp_path, "--url", server.url, "--json"))
    assert f"Server     {server.url}, version " in text
    assert "2 stored, 1 duplicate; rejected: 1 with 401" in text
    assert "1 app, 2 problems, 2 notices" in text
    assert "the newest 1,000 notices of a problem, for 90 days" in text
    assert found["server"]["reports_stored"] == 2
    assert found["server"]["reports_refused"] == {"401": 1}
    assert 0 <= found["server"]["up_seconds"] < 120
    assert found["store"]["notices"] == 2

    without = status(tmp_path, PORT="1")
    assert "no server responds at http://127.0.0.1:1" in without
    assert "1 app, 2 problems, 2 notices" in without
    assert json.loads(status(tmp_path, "--json", PORT="1"))["server"] is None


def test_a_real_server_detects_that_a_request_was_proxied(tmp_path: Path) -> None:
    import urllib.error
    import urllib.request

    with LiveServer(tmp_path) as server:
        with urllib.request.urlopen(f"{server.url}/metrics") as answer:
            assert answer.status == 200
        proxied = urllib.request.Request(f"{server.url}/metrics", headers={"X-Forwarded-For": "203.0.113.9"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(proxied)
        refused.value.close()
        assert refused.value.code == 403
