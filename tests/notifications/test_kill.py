"""A server killed at any point between storing a report and recording its delivery loses no notification or mail."""

import json
import random
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from checkend.app import create_app
from checkend.db.connection import DATABASE_FILE_NAME
from checkend.notifications.outgoing_mail import queue
from checkend.services import services
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.receiver import Receiver
from tests.support.server_process import LiveServer, command

pytestmark = pytest.mark.slow

KILLS = 10


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Provide a receiver whose responses take a moment, in which the server can be killed."""
    server = Receiver(response_seconds=0.1)
    yield server
    server.close()


def test_every_acknowledged_problem_is_announced_with_one_id(tmp_path: Path, receiver: Receiver) -> None:
    seed = random.randrange(1_000_000)
    print(f"The points were chosen with the seed {seed}.")  # shown if the test fails
    chance = random.Random(seed)
    acknowledged: set[int] = set()
    ingestion_key = create_webhook(tmp_path, receiver.url)
    for number in range(KILLS):
        make_everything_due(tmp_path)
        server = LiveServer(tmp_path, OUTBOUND_ALLOW="127.0.0.1")
        reporter = Thread(target=report, args=(server, ingestion_key, number, acknowledged))
        reporter.start()
        if number % 2:  # at a random point
            time.sleep(chance.uniform(0, 1))
        else:  # while a delivery is being sent, or just was
            received = len(receiver.requests)
            wait_until(lambda count=received: len(receiver.requests) > count)
            time.sleep(chance.uniform(0, 0.15) if number else 0)  # at least one before the response
        server.kill()
        reporter.join()
    with LiveServer(tmp_path, OUTBOUND_ALLOW="127.0.0.1"):
        make_everything_due(tmp_path)
        wait_until(lambda: nothing_is_pending(tmp_path))

    ids = announced(receiver)
    assert len(acknowledged) > KILLS
    assert acknowledged <= ids.keys()
    assert {problem: found for problem, found in ids.items() if len(found) != 1} == {}
    messages = {got.headers["webhook-id"] for got in receiver.requests}
    assert len(receiver.requests) > len(messages), "no delivery was interrupted"


def create_webhook(instance: Path, url: str) -> str:
    """Create an app with a webhook, and return its ingestion key.

    With a minimum interval, what is reported after the first problem is collected: a server sends one message a second.
    """
    app = command(instance, "app", "create", "Shop")
    command(instance, "channel", "create", "shop", "webhook", "Hook", "--set", f"url={url}", "--min-interval", "86400")
    return str(app["ingestion_key"])


def report(server: LiveServer, ingestion_key: str, round_number: int, acknowledged: set[int]) -> None:
    """Report new problems until the server is killed; add the ids of those that it acknowledged."""
    try:
        with server.connect() as connection:
            for number in range(100):
                error = {"class": f"Round{round_number}Number{number}Error", "message": "It broke."}
                status, stored = connection.ask(
                    "POST", "/ingest/v1/errors", {"error": error}, Checkend_Ingestion_Key=ingestion_key
                )
                assert status == 201
                acknowledged.add(stored["problem_id"])
                time.sleep(0.1)
    except (OSError, HTTPException):
        pass  # the report was not acknowledged


def make_everything_due(instance: Path) -> None:
    """Let the time pass for which deliveries are leased, digests collected, and retries put off."""
    with closing(sqlite3.connect(instance / DATABASE_FILE_NAME, timeout=10)) as database, database:
        database.execute(
            "UPDATE deliveries SET next_attempt_at = created_at,"
            " leased_until = CASE WHEN leased_until IS NOT NULL THEN created_at END WHERE status = 'pending'"
        )


def nothing_is_pending(instance: Path) -> bool:
    """Whether every event became a delivery and every delivery was recorded. Makes digests due that are not sent."""
    with closing(sqlite3.connect(instance / DATABASE_FILE_NAME, timeout=10)) as database, database:
        database.execute(
            "UPDATE deliveries SET next_attempt_at = created_at WHERE status = 'pending' AND leased_until IS NULL"
        )
        waiting = "SELECT (SELECT count(*) FROM problem_events), count(*) FROM deliveries WHERE status != 'delivered'"
        return database.execute(waiting).fetchone() == (0, 0)


def announced(receiver: Receiver) -> dict[int, set[str]]:
    """Return the ids of the messages in which each problem was announced, by the problem's id."""
    ids: dict[int, set[str]] = defaultdict(set)
    for got in receiver.requests:
        data: dict[str, Any] = json.loads(got.body)["data"]
        for problem in data.get("problems") or [data["problem"]]:
            ids[problem["id"]].add(got.headers["webhook-id"])
    return ids


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_mail_that_a_killed_server_was_sending_is_sent_again_with_the_same_id(
    tmp_path: Path, mail_server: MailServer
) -> None:
    settings = {"URL": "https://errors.example.com", "MAIL_HOST": "127.0.0.1", "MAIL_PORT": str(mail_server.port)}
    app = create_app(instance_path=tmp_path)
    Factory(app).run(lambda: queue("ada@example.com", "Hello", "a link").id)
    services(app).close()
    mail_server.accept_delay = 0.5  # in which the server is killed
    server = LiveServer(tmp_path, **settings, MAIL_TLS="none")
    wait_until(lambda: len(mail_server.mails) == 1)
    server.kill()
    mail_server.accept_delay = 0.0
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE_NAME)) as database, database:
        assert database.execute("SELECT status, attempts FROM outgoing_mail").fetchone() == ("pending", 0)
        database.execute("UPDATE outgoing_mail SET leased_until = created_at")
    with LiveServer(tmp_path, **settings, MAIL_TLS="none"):
        wait_until(lambda: len(mail_server.mails) == 2)
    assert len({message["Message-ID"] for _, message in mail_server.mails}) == 1
