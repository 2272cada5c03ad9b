"""Mail is sent after the response, so no request waits for SMTP, and response times do not reveal accounts."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from checkend.db.session import db
from checkend.models import Team, User
from checkend.notifications import mail, mail_queue
from checkend.services import services
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.pages import sign_in, submit

ADA = "ada@example.com"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Mail is not sent before this event is set."""
    free, connect = threading.Event(), mail._connect

    def wait(config: Any) -> Any:
        assert free.wait(10)
        return connect(config)

    monkeypatch.setattr(mail, "_connect", wait)
    yield free
    free.set()


def test_an_invitation_is_answered_before_it_is_mailed(
    mailing: Flask, mail_server: MailServer, held: threading.Event
) -> None:
    Factory(mailing).run(lambda: Team.create("Core", db.session.get_one(User, 1)))
    client = mailing.test_client()
    sign_in(client, ADA)
    answer = submit(client, "/teams/core/invitations", {"email_address": "guest@example.com", "role": "member"})
    assert answer.status_code == 302
    assert not mail_server.mails
    held.set()
    assert mail_server.came.wait(5)


def test_a_forgotten_password_is_answered_before_anything_depends_on_the_address(
    mailing: Flask, mail_server: MailServer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response is built without querying users, so its time does not depend on whether the account exists."""
    asked: list[tuple[str, str]] = []
    with_email_address = User.with_email_address

    def note(address: str) -> User | None:
        asked.append((threading.current_thread().name, address))
        return with_email_address(address)

    monkeypatch.setattr(User, "with_email_address", note)
    client = mailing.test_client()
    for address in (ADA, "nobody@example.com"):
        answer = submit(client, "/forgotten-password", {"email_address": address}, page="/forgotten-password")
        assert answer.status_code == 200
    held.set()
    assert mail_server.came.wait(5)
    services(mailing).mail_queue.close()
    assert asked == [("checkend-mail", ADA), ("checkend-mail", "nobody@example.com")]
    assert [recipient for recipient, _ in mail_server.mails] == [ADA]


def _put(app: Flask, job: Callable[[], object]) -> None:
    services(app).mail_queue.put(job)


def test_a_shutdown_sends_the_mail_that_waits(mailing: Flask, mail_server: MailServer) -> None:
    with mailing.app_context():
        for number in range(5):
            mail_queue.send_later(f"user{number}@example.com", "Hello", "text")
    services(mailing).mail_queue.close()
    assert len(mail_server.mails) == 5


def test_a_shutdown_waits_for_a_bounded_time_and_logs_what_it_leaves(
    mailing: Flask, monkeypatch: pytest.MonkeyPatch, mail_log: list[str]
) -> None:
    monkeypatch.setattr(mail_queue, "DRAIN_SECONDS", 0.1)
    stuck = threading.Event()
    _put(mailing, stuck.wait)
    began = time.monotonic()
    services(mailing).mail_queue.close()
    assert time.monotonic() - began < 5
    assert mail_log == ["the server stopped before all mail was sent; the SMTP server did not respond in time"]
    stuck.set()


def test_a_full_queue_is_logged_and_counted_and_does_not_block(
    mailing: Flask, monkeypatch: pytest.MonkeyPatch, mail_log: list[str]
) -> None:
    stuck, began = threading.Event(), threading.Event()
    failed = mail.outcomes["failed"]
    _put(mailing, lambda: (began.set(), stuck.wait()))
    assert began.wait(5)
    for _ in range(mail_queue.QUEUE_SIZE + 2):
        _put(mailing, lambda: None)
    stuck.set()
    assert mail.outcomes["failed"] - failed == 2
    assert mail_log == [f"a mail was not sent, because {mail_queue.QUEUE_SIZE} others are already waiting"] * 2


def test_mail_that_fails_is_logged_and_the_next_is_sent(mailing: Flask, mail_server: MailServer) -> None:
    failed = mail.outcomes["failed"]

    def fail() -> None:
        raise ValueError("no such template")

    _put(mailing, fail)
    with mailing.app_context():
        mail_queue.send_later(ADA, "Hello", "text")
    assert mail_server.came.wait(5)
    assert mail.outcomes["failed"] - failed == 1


@pytest.fixture
def mail_log() -> Iterator[list[str]]:
    """Provide the messages of the mail log."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]  # a test's own
    mail.log.addHandler(handler)
    yield messages
    mail.log.removeHandler(handler)
