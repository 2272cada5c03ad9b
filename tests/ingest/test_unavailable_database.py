"""A locked or full database: reports are rejected in time and not stored later, and everything else responds."""

import http.client
import itertools
import json
import resource
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from checkend.app import create_app
from checkend.db.connection import connect
from checkend.db.schema import database_path
from checkend.ingest.exceptions import DatabaseUnavailableError, StaleKeyError
from checkend.ingest.quota import StorageLimits
from checkend.ingest.report_queue import STALL_SECONDS
from checkend.ingest.reports import IngestApp, IngestResult, PreparedReport
from checkend.ingest.store import ReportStore
from checkend.ingest.writer import Writer
from checkend.services import services
from tests.support.clients import Channel, Clients, Request, make_get, make_instance, wait_until
from tests.support.factories import Factory
from tests.support.server_process import LiveServer
from tests.telemetry.test_metrics import parse, value

pytestmark = pytest.mark.slow

INGEST = "/ingest/v1/errors"
PATHS = ("/up", "/sign-in", "/api/v1/apps")
TIMEOUT = 1
SENDER = IngestApp("key", 1, None, frozenset())


def report(number: int) -> dict[str, Any]:
    return {"error": {"class": "E", "message": str(number), "backtrace": [f"/srv/a.py:{number} in f{number}"]}}


def stored_numbers(database: Path) -> set[int]:
    with closing(sqlite3.connect(database)) as connection:
        return {int(message) for (message,) in connection.execute("SELECT error_message FROM problems")}


def make_reports(key: str) -> Callable[[], Request]:
    numbers = itertools.count()
    headers = {"Checkend-Ingestion-Key": key, "Content-Type": "application/json"}

    def make() -> Request:
        number = next(numbers)
        return number, "POST", INGEST, json.dumps(report(number)), headers

    return make


def test_while_another_process_locks_the_database_reports_get_503_and_pages_respond(
    tmp_path: Path,
) -> None:
    key, api_key = make_instance(tmp_path)
    api = {"Content-Type": "application/json", "Checkend-API-Key": api_key}
    database = tmp_path / "checkend.sqlite3"
    settings = {"INGEST_TIMEOUT_SECONDS": str(TIMEOUT), "RATE_LIMIT_ENABLED": "false"}
    with (
        LiveServer(tmp_path, **settings) as server,
        closing(sqlite3.connect(database, isolation_level=None)) as other,
        Clients(server) as clients,
    ):
        clients.start(12, make_reports(key))
        for path in PATHS:
            clients.start(1, partial(make_get, path, api))
        clients.start(4, lambda: ("write", "POST", "/api/v1/apps", '{"name":"x"}', api))
        wait_until(lambda: any(response.name == "/sign-in" for response in clients.answers))
        other.execute("BEGIN IMMEDIATE")
        locked_at = time.monotonic()
        time.sleep(TIMEOUT + 2)
        other.execute("ROLLBACK")
        unlocked_at = time.monotonic()
        wait_until(lambda: clients.stored_since(unlocked_at) > 40)  # some wait too long for others who write, too
        clients.stop()
        with server.connect() as connection:
            status, _ = connection.ask("POST", INGEST, report(1_000_000), Checkend_Ingestion_Key=key)
        with closing(http.client.HTTPConnection(server.url.removeprefix("http://"))) as scraper:
            scraper.request("GET", "/metrics")
            metrics = scraper.getresponse().read().decode()

    sent = [response for response in clients.answers if isinstance(response.name, int)]
    during = [response for response in sent if locked_at + 0.5 < response.at < unlocked_at]
    assert {response.status for response in sent} == {201, 503}
    assert {response.status for response in during} == {503}
    assert len(during) > 50  # most are rejected at once
    assert max(response.seconds for response in sent) < TIMEOUT + 1.5
    assert status == 201
    assert stored_numbers(database) == {response.name for response in sent if response.status == 201} | {1_000_000}

    for path in PATHS:
        responses = [response for response in clients.answers if response.name == path]
        assert {response.status for response in responses} == {200}
        assert max(response.seconds for response in responses) < 2
        assert sum(locked_at < response.at < unlocked_at for response in responses) > 3
    writes = [response for response in clients.answers if response.name == "write"]
    assert {response.status for response in writes} <= {201, 503}
    assert max(response.seconds for response in writes) < 7
    rejected = [response for response in sent if response.status == 503]
    reasons = {labels["reason"]: count for labels, count in parse(metrics)["checkend_reports_rejected_total"]}
    assert set(reasons) <= {"stalled", "database", "timeout"}
    assert sum(reasons.values()) == len(rejected)
    assert value(metrics, "checkend_writer_healthy") == 1


def test_a_flood_of_reports_on_a_full_disk_leaves_pages_responsive(tmp_path: Path) -> None:
    key, _ = make_instance(tmp_path)
    database = tmp_path / "checkend.sqlite3"
    with LiveServer(tmp_path, RATE_LIMIT_ENABLED="false") as server, Clients(server) as clients:
        clients.start(12, make_reports(key))
        clients.start(1, lambda: ("/up", "GET", "/up", None, {}))
        wait_until(lambda: any(response.status == 201 for response in clients.answers))
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        full_at = time.monotonic()
        wait_until(lambda: sum(response.status == 503 for response in clients.answers) > 40)
        room_at = time.monotonic()
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: clients.stored_since(room_at) > 20)
        clients.stop()
    sent = [response for response in clients.answers if isinstance(response.name, int)]
    assert {response.status for response in sent if full_at + 0.2 < response.at < room_at} <= {503}
    assert max(response.seconds for response in clients.answers) < 2
    assert stored_numbers(database) == {response.name for response in sent if response.status == 201}


class BlockedStore(ReportStore):
    """A store whose database is locked, or whose disk is full, as long as a test needs."""

    is_at_limit = False

    def __init__(self) -> None:
        self.locked = threading.Event()
        self.full = threading.Event()
        self.written: list[str] = []

    def lock(self) -> None:
        until = time.monotonic() + STALL_SECONDS
        while self.locked.is_set():
            if time.monotonic() > until:
                raise sqlite3.OperationalError("database is locked")
            time.sleep(0.005)

    def write(self, batch: list[PreparedReport]) -> list[IngestResult | Exception]:
        if self.full.is_set():
            raise sqlite3.OperationalError("database or disk is full")
        self.written += [prepared.error_message for prepared in batch]
        return [IngestResult(1, 1, False, 1) for _ in batch]

    def close(self) -> None:
        pass


@pytest.fixture
def store() -> BlockedStore:
    return BlockedStore()


@pytest.fixture
def writer(store: BlockedStore) -> Iterator[Writer]:
    """Provide a writer with a timeout of two seconds and a ``stalled_limit`` of three."""
    writer = Writer(store, queue_size=100, timeout=2)
    writer.queue.stalled_limit = 3
    yield writer
    store.locked.clear()
    writer.close()


def prepared(message: str) -> PreparedReport:
    return PreparedReport(SENDER, "f", "E", message, None, (), (), 0, 0)


class LimitedStore(BlockedStore):
    """A store whose database is at its size limit, without space for a report called "large"."""

    is_at_limit = True

    def write(self, batch: list[PreparedReport]) -> list[IngestResult | Exception]:
        if any(prepared.error_message.startswith("large") for prepared in batch):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        return super().write(batch)


class Submissions:
    """Submit reports in a thread each; ``results`` contains ``(outcome, seconds)`` by message."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._threads: list[threading.Thread] = []
        self.results: dict[str, tuple[str, float]] = {}

    def start(self, *messages: str) -> None:
        for message in messages:
            self._threads.append(threading.Thread(target=self._submit, args=(message,)))
            self._threads[-1].start()

    def _submit(self, message: str) -> None:
        began = time.monotonic()
        try:
            self._writer.submit(prepared(message))
            outcome = "stored"
        except DatabaseUnavailableError as error:
            outcome = error.reason
        self.results[message] = (outcome, time.monotonic() - began)

    def finish(self) -> list[str]:
        for thread in self._threads:
            thread.join()
        return sorted(outcome for outcome, _ in self.results.values())


def test_a_stalled_writer_blocks_only_the_allowed_number_of_threads(store: BlockedStore, writer: Writer) -> None:
    store.locked.set()
    first = Submissions(writer)
    first.start(*"abcdefgh")
    time.sleep(STALL_SECONDS + 0.4)
    assert sorted(outcome for outcome, _ in first.results.values()) == ["stalled"] * 5
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError) as rejected:
        writer.submit(prepared("late"))
    assert (rejected.value.reason, time.monotonic() - began < 0.3) == ("stalled", True)
    store.locked.clear()
    assert first.finish() == ["stalled"] * 5 + ["stored"] * 3
    assert sorted(store.written) == sorted(name for name, (outcome, _) in first.results.items() if outcome == "stored")
    assert writer.is_healthy
    assert isinstance(writer.submit(prepared("after")), IngestResult)


def test_after_a_failed_batch_one_report_at_a_time_is_the_probe(
    store: BlockedStore, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    store.locked.set()
    first = Submissions(writer)
    first.start(*"abc")
    assert set(first.finish()) <= {"timeout", "database"}
    assert all(seconds < 2.7 for _, seconds in first.results.values())
    wait_until(lambda: "Reports cannot be stored" in caplog.text)
    probe = Submissions(writer)
    probe.start("probe")
    wait_until(lambda: writer.queue_length == 1)
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(DatabaseUnavailableError, match="another report is the probe"):
            writer.submit(prepared("late"))
        with pytest.raises(DatabaseUnavailableError, match="another report is the probe"):
            writer.queue.check()
    assert time.monotonic() - began < 0.3
    store.locked.clear()
    assert probe.finish() == ["stored"]
    assert writer.is_healthy
    assert store.written == ["probe"]
    assert isinstance(writer.submit(prepared("after")), IngestResult)
    messages = [record.message for record in caplog.records if record.name == "checkend.writer"]
    assert [message.partition(":")[0] for message in messages] == [
        "Reports cannot be stored",
        "Reports can be stored again.",
    ]


def test_a_full_disk_is_logged_once_and_reports_are_stored_after_it_is_freed(
    store: BlockedStore, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    store.full.set()
    for _ in range(5):
        with pytest.raises(DatabaseUnavailableError, match="full"):
            writer.submit(prepared("lost"))
    assert not writer.is_healthy
    store.full.clear()
    writer.submit(prepared("kept"))
    assert store.written == ["kept"]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_at_the_size_limit_large_reports_do_not_block_small_ones() -> None:
    store = LimitedStore()
    writer = Writer(store, queue_size=100, timeout=2)
    store.locked.set()
    reports = Submissions(writer)
    reports.start("large 1", "small 1", "large 2", "small 2")
    wait_until(lambda: writer.queue_length == 4)
    store.locked.clear()
    assert reports.finish() == ["store_limit", "store_limit", "stored", "stored"]
    assert sorted(store.written) == ["small 1", "small 2"]
    assert writer.is_healthy
    writer.close()


class FullDisk(ReportStore):
    """A store whose disk is full."""

    def write(self, batch: list[PreparedReport]) -> list[IngestResult | Exception]:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error


def test_a_full_disk_is_distinguished_from_the_size_limit(tmp_path: Path, empty_database: Path) -> None:
    shutil.copyfile(empty_database, tmp_path / "store")
    writer = Writer(FullDisk(tmp_path / "store", 0, limits=StorageLimits(store_bytes=2**30)), queue_size=100, timeout=2)
    with pytest.raises(DatabaseUnavailableError) as rejected:
        writer.submit(prepared("lost"))
    writer.close()
    assert (rejected.value.reason, writer.is_healthy) == ("database", False)


def test_a_lock_is_waited_for_once_while_reports_are_written_one_by_one() -> None:
    attempts: list[int] = []

    class LaterLocked(BlockedStore):
        def write(self, batch: list[PreparedReport]) -> list[IngestResult | Exception]:
            attempts.append(len(batch))
            raise ValueError("not storable") if len(attempts) == 1 else sqlite3.OperationalError("database is locked")

    store = LaterLocked()
    writer = Writer(store, queue_size=100, timeout=5)
    store.locked.set()
    reports = Submissions(writer)
    reports.start(*"abcdef")
    wait_until(lambda: writer.queue_length == 6)
    store.locked.clear()
    assert reports.finish() == ["database"] * 6
    assert attempts == [6, 1]
    writer.close()


def test_the_writer_survives_an_unexpected_exception(
    store: BlockedStore, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "_fail", lambda batch, error: 1 / 0)
    store.full.set()
    with pytest.raises(DatabaseUnavailableError, match="unexpected"):
        writer.submit(prepared("lost"))
    monkeypatch.undo()
    store.full.clear()
    assert isinstance(writer.submit(prepared("kept")), IngestResult)
    assert "ZeroDivisionError" in caplog.text


def test_a_transaction_left_open_does_not_lock_the_database(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(empty_database, tmp_path / "store")
    writer = Writer(ReportStore(tmp_path / "store", 0, lock_timeout=0.2), queue_size=100, timeout=0.5)
    monkeypatch.setattr(writer.queue, "take_batch", lambda: 1 / 0)
    with pytest.raises(DatabaseUnavailableError):
        writer.submit(prepared("lost"))
    monkeypatch.undo()
    with pytest.raises(StaleKeyError):  # the database was looked at
        writer.submit(prepared("next"))
    writer.close()


def test_the_deadline_of_the_request_applies(store: BlockedStore, writer: Writer) -> None:
    store.locked.set()
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError) as rejected:
        writer.submit(prepared("old"), began + 0.2)
    assert rejected.value.reason == "timeout"
    assert time.monotonic() - began < 0.5
    store.locked.clear()
    writer.submit(prepared("new"))
    assert store.written == ["new"]


def test_closing_does_not_wait_for_the_lock_of_another_process(store: BlockedStore, writer: Writer) -> None:
    store.locked.set()
    waiting = Submissions(writer)
    waiting.start("a")
    wait_until(lambda: writer.queue_length == 1)
    began = time.monotonic()
    writer.close()
    assert time.monotonic() - began < 1.5
    assert waiting.finish() == ["database"]
    assert store.written == []


@pytest.mark.parametrize(("seconds", "status"), [(-3600, 201), (0, 201), (8, 201), (11, 503)])
def test_a_report_that_waited_too_long_for_a_thread_is_rejected(
    app: Flask, make: Factory, seconds: float, status: int
) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    for number in (1, 2):  # by the route, and by the short way for keys that are known already
        environ = {"waitress.client_disconnected": Channel(seconds).check_client_disconnected}
        response = app.test_client().post(INGEST, json=report(number), headers=headers, environ_overrides=environ)
        assert response.status_code == status
    assert stored_numbers(database_path(Path(app.instance_path))) == ({1, 2} if status == 201 else set())


def test_requests_behind_one_that_waits_for_the_lock_time_out_soon(
    app: Flask, key_for: Callable[..., dict[str, str]]
) -> None:
    headers = key_for()
    answers: list[tuple[int, float]] = []

    def write(number: int) -> None:
        began = time.monotonic()
        response = app.test_client().post("/api/v1/apps", json={"name": f"app {number}"}, headers=headers)
        answers.append((response.status_code, time.monotonic() - began))

    with closing(connect(database_path(Path(app.instance_path)))) as other:
        other.execute("BEGIN IMMEDIATE")
        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answers) == 5, seconds=4)
        assert [status for status, _ in answers] == [503] * 5
        other.execute("ROLLBACK")
        for thread in threads:
            thread.join()
    assert [status for status, _ in answers] == [503] * 5 + [201]


def test_other_writes_wait_for_the_lock_only_a_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checkend.db.session.REQUEST_LOCK_SECONDS", 0.7)
    _, api_key = make_instance(tmp_path / "instance")
    app = create_app({}, instance_path=tmp_path / "instance")
    statuses: list[int] = []

    def write() -> None:
        headers = {"Checkend-API-Key": api_key}
        statuses.append(app.test_client().post("/api/v1/apps", json={"name": "x"}, headers=headers).status_code)

    other = connect(database_path(Path(app.instance_path)))
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [503] * 6
    assert time.monotonic() - began < 3  # not one after the other
    other.execute("ROLLBACK")
    write()
    assert statuses[-1] == 201
    other.close()
    services(app).close()


def test_a_stall_ends_when_no_report_waits(
    store: BlockedStore, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stalled limit is 0, as with one request thread; the writer does not run until the only report timed out."""
    resumed = threading.Event()
    wait_for_reports = writer.queue.wait_for_reports

    def wait_and_sleep() -> bool:
        found = wait_for_reports()
        resumed.wait(5)
        return found

    monkeypatch.setattr(writer.queue, "wait_for_reports", wait_and_sleep)
    writer.queue.stalled_limit = 0
    with pytest.raises(DatabaseUnavailableError, match="enough reports wait"):
        writer.submit(prepared("1"))
    resumed.set()
    assert writer.submit(prepared("2")).notice_id
    assert writer.is_healthy
