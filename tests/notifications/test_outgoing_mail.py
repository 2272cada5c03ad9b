"""Mail about accounts waits in the database: it is sent after the response, survives restarts, and reveals nobody."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.auth import password_reset
from checkend.auth.login_throttle import PER_ACCOUNT, LoginThrottle
from checkend.db.connection import DATABASE_FILE_NAME
from checkend.db.session import db
from checkend.models import Invitation, OutgoingMail, Team, User
from checkend.notifications import smtp
from checkend.notifications.outgoing_mail import queue
from checkend.services import services
from tests.support.api import counting
from tests.support.factories import Factory
from tests.support.mail_server import MailServer, send_mail
from tests.support.pages import follow, sign_in, submit

ADA, NOBODY = "ada@example.com", "nobody@example.com"
Later = Callable[[float], None]


@pytest.fixture(autouse=True)
def ada(make: Factory) -> int:
    """Provide the id of a user."""
    return make.user(ADA)


@pytest.fixture
def mail(make: Factory) -> int:
    """Provide the id of a mail that waits."""
    return make.run(lambda: queue(ADA, "Hello", "a secret link").id)


def rows(app: Flask) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(Path(app.instance_path) / DATABASE_FILE_NAME)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM outgoing_mail ORDER BY id")]


def text_of(message: Message) -> str:
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


def ask_for_link(client: FlaskClient, address: str) -> int:
    answer = submit(client, "/forgotten-password", {"email_address": address}, page="/forgotten-password")
    return answer.status_code


def invite(app: Flask, make: Factory) -> FlaskClient:
    make.run(lambda: Team.create("Core", db.session.get_one(User, 1)))
    client = app.test_client()
    sign_in(client, ADA)
    fields = {"email_address": "guest@example.com", "role": "member"}
    assert submit(client, "/teams/core/invitations", fields).status_code == 302
    return client


def test_a_mail_is_sent_once_and_its_text_is_deleted(app: Flask, mail: int, mail_server: MailServer) -> None:
    assert b"secret link" not in rows(app)[0]["body"]
    send_mail(app)
    send_mail(app)
    [(recipient, message)] = mail_server.mails
    [row] = rows(app)
    assert (recipient, message["Subject"], text_of(message)) == (ADA, "Hello", "a secret link\n")
    assert message["Message-ID"] == f"<{row['message_id']}@errors.example.com>"
    assert message["From"] == "Checkend <checkend@errors.example.com>"
    assert (row["status"], row["body"], row["attempts"], row["last_error"]) == ("sent", None, 1, None)


def test_a_transient_failure_is_retried_with_the_same_id(
    app: Flask, mail: int, mail_server: MailServer, later: Later
) -> None:
    mail_server.recipient_response = "451 greylisted"
    send_mail(app)
    [row] = rows(app)
    assert (row["status"], row["attempts"]) == ("pending", 1)
    assert row["last_error"] == "The mail server responded 451: greylisted"
    mail_server.recipient_response = "250 ok"
    send_mail(app)
    assert mail_server.mails == []  # not before it is due
    later(40)
    send_mail(app)
    [(_, message)] = mail_server.mails
    assert row["message_id"] in message["Message-ID"]
    assert text_of(message) == "a secret link\n"
    assert rows(app)[0]["status"] == "sent"


def test_a_permanent_failure_ends_the_mail(app: Flask, mail: int, mail_server: MailServer, later: Later) -> None:
    mail_server.recipient_response = "550 no such user"
    send_mail(app)
    [row] = rows(app)
    assert (row["status"], row["body"]) == ("failed", None)
    assert row["last_error"] == "The mail server responded 550: no such user"


def test_a_sender_that_is_rejected_is_tried_again(app: Flask, mail: int, mail_server: MailServer) -> None:
    """What is wrong is the setting of the sender, not the mail."""
    mail_server.sender_response = "550 not your address"
    send_mail(app)
    [row] = rows(app)
    assert (row["status"], row["last_error"]) == ("pending", "The mail server responded 550: not your address")


def test_a_mail_is_given_up_after_a_day(app: Flask, mail: int, mail_server: MailServer, later: Later) -> None:
    mail_server.close()
    for _ in range(11):
        send_mail(app)
        later(10 * 3600)
    [row] = rows(app)
    assert (row["status"], row["attempts"], row["body"]) == ("gave_up", 11, None)
    assert "Connection refused" in row["last_error"]


def test_a_mail_whose_link_has_expired_is_not_sent(
    app: Flask, make: Factory, mail_server: MailServer, later: Later
) -> None:
    make.run(lambda: queue(ADA, "Hello", "text", expires_at=clock.now() + timedelta(hours=1)).id)
    later(3600)
    send_mail(app)
    [row] = rows(app)
    assert mail_server.mails == []
    assert (row["status"], row["last_error"]) == ("failed", "The link in this mail expired before it could be sent.")


def test_an_invitation_that_was_revoked_is_not_mailed(app: Flask, make: Factory, mail_server: MailServer) -> None:
    invite(app, make)
    make.run(lambda: db.session.get_one(Invitation, 1).revoke())
    send_mail(app)
    assert mail_server.mails == []
    assert rows(app)[0]["status"] == "failed"


def test_an_invitation_and_its_mail_are_stored_together(
    app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch, mail_server: MailServer
) -> None:
    """A failure between the two leaves neither."""

    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("checkend.notifications.encryption.SecretBox.seal", fail)
    make.run(lambda: Team.create("Core", db.session.get_one(User, 1)))
    client = app.test_client()
    sign_in(client, ADA)
    fields = {"email_address": "guest@example.com", "role": "member"}
    assert submit(client, "/teams/core/invitations", fields).status_code == 500
    assert make.run(lambda: db.session.query(Invitation).count()) == 0
    assert rows(app) == []


def test_the_page_of_the_team_says_why_an_invitation_was_not_mailed(
    app: Flask, make: Factory, mail_server: MailServer
) -> None:
    mail_server.recipient_response = "550 <b>no such user</b>"
    client = invite(app, make)
    assert "mail queued" in client.get("/teams/core").text
    send_mail(app)
    page = client.get("/teams/core").text
    assert "The mail was not sent. The mail server responded 550: &lt;b&gt;no such user&lt;/b&gt;" in page


def test_an_invitation_is_mailed_again_with_a_new_link(app: Flask, make: Factory, mail_server: MailServer) -> None:
    mail_server.recipient_response = "550 no such user"
    client, guest = invite(app, make), app.test_client()
    send_mail(app)
    mail_server.recipient_response = "250 ok"
    for _ in range(2):
        page = follow(client, submit(client, "/teams/core/invitations/1/resend"))
        assert "The invitation for guest@example.com will be mailed within a few seconds." in page
        send_mail(app)
    assert "mail sent" in client.get("/teams/core").text
    links = [
        re.findall(r"https://errors.example.com(/invitations/\S+)", text_of(mail)) for _, mail in mail_server.mails
    ]
    assert [guest.get(link).status_code for [link] in links] == [404, 200]


def test_an_invitation_that_waits_for_another_attempt_is_sent_now_with_the_same_link(
    app: Flask, make: Factory, mail_server: MailServer
) -> None:
    mail_server.recipient_response = "451 later"
    client = invite(app, make)
    send_mail(app)
    mail_server.recipient_response = "250 ok"
    submit(client, "/teams/core/invitations/1/resend")
    send_mail(app)
    assert [row["status"] for row in rows(app)] == ["sent"]


def test_an_invitation_cannot_be_resent_without_end_or_without_mail(
    app: Flask, make: Factory, mail_server: MailServer
) -> None:
    client = invite(app, make)
    statuses = [submit(client, "/teams/core/invitations/1/resend").status_code for _ in range(PER_ACCOUNT + 1)]
    assert statuses == [302] * PER_ACCOUNT + [429]
    services(app).login_throttle = LoginThrottle()
    app.config["MAIL_HOST"] = ""
    page = follow(client, submit(client, "/teams/core/invitations/1/resend"))
    assert "This server cannot send mail." in page
    assert "/invitations/1/resend" not in page


def test_a_revoked_invitation_cannot_be_resent(app: Flask, make: Factory) -> None:
    client = invite(app, make)
    send_mail(app)
    make.run(lambda: db.session.get_one(Invitation, 1).revoke())
    page = follow(client, submit(client, "/teams/core/invitations/1/resend"))
    assert "This invitation has been used or revoked" in page
    assert len(rows(app)) == 1


def test_a_lease_that_was_not_recorded_ends(app: Flask, mail: int, mail_server: MailServer, later: Later) -> None:
    """A process that is killed while it sends leaves its lease behind."""
    make = Factory(app)
    make.run(
        lambda: setattr(db.session.get_one(OutgoingMail, mail), "leased_until", clock.now() + timedelta(seconds=90))
    )
    send_mail(app)
    assert mail_server.mails == []
    later(91)
    send_mail(app)
    assert len(mail_server.mails) == 1


def test_a_request_for_a_password_link_writes_the_same_for_every_address(
    app: Flask, client: FlaskClient, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the response nor what it writes depends on whether the account exists: users are not even queried."""
    asked: list[str] = []
    with_email_address = User.with_email_address

    def note(address: str) -> User | None:
        asked.append(address)
        return with_email_address(address)

    monkeypatch.setattr(User, "with_email_address", note)
    ask_for_link(client, "warm@example.com")
    statements = []
    for address in (ADA, NOBODY):
        with counting(app) as executed:
            assert ask_for_link(client, address) == 200
        statements.append(executed)
    assert asked == []
    assert statements[0] == statements[1]
    lengths = {len(row["body"]) for row in rows(app)}
    assert len(lengths) == 1
    send_mail(app)
    assert asked == ["warm@example.com", ADA, NOBODY]
    assert [recipient for recipient, _ in mail_server.mails] == [ADA]
    assert [row["recipient"] for row in rows(app)] == [ADA]


def test_every_request_for_a_password_link_takes_the_write_lock_as_often(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, mail_server: MailServer
) -> None:
    """Somebody who measures how long writes wait must not see whether a mail is sent."""
    from checkend.notifications import mail_worker

    begun: list[None] = []
    write_transaction = mail_worker.write_transaction

    def counted() -> Any:
        begun.append(None)
        return write_transaction()

    monkeypatch.setattr(mail_worker, "write_transaction", counted)
    counts = []
    for address in (ADA, NOBODY):
        ask_for_link(client, address)
        send_mail(app)
        counts.append(len(begun))
        begun.clear()
    assert counts == [2, 2]


def test_a_password_link_is_created_once_when_it_is_mailed(
    app: Flask, client: FlaskClient, mail_server: MailServer, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, create_token = [], password_reset.create_token
    monkeypatch.setattr(password_reset, "create_token", lambda user: created.append(user.id) or create_token(user))
    ask_for_link(client, ADA.upper())
    assert created == []
    mail_server.recipient_response = "451 later"
    send_mail(app)
    mail_server.recipient_response = "250 ok"
    later(40)
    send_mail(app)
    [(recipient, message)] = mail_server.mails
    [link] = [line for line in text_of(message).splitlines() if "/new-password/" in line]
    assert created == [1]
    assert recipient == ADA
    assert client.get(link.removeprefix("https://errors.example.com")).status_code == 200


def test_the_number_of_mails_that_wait_is_limited(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from checkend.notifications import outgoing_mail

    monkeypatch.setattr(outgoing_mail, "MAX_PENDING", 2)
    assert [ask_for_link(client, address) for address in (ADA, NOBODY, ADA)] == [200, 200, 503]
    assert len(rows(app)) == 2


def test_mail_without_its_key_waits_until_the_key_is_back(
    app: Flask, mail: int, mail_server: MailServer, later: Later
) -> None:
    keys = Path(app.instance_path) / "encryption_keys"
    key = keys.read_text()
    keys.write_text("another key\n")
    send_mail(app)
    [row] = rows(app)
    assert row["status"] == "pending"
    assert row["last_error"].startswith("The secrets of this mail cannot be decrypted with the file encryption_keys")
    keys.write_text(key)
    later(40)
    send_mail(app)
    assert len(mail_server.mails) == 1


def test_old_mail_is_deleted(app: Flask, mail: int, mail_server: MailServer, later: Later) -> None:
    send_mail(app)
    later(13 * 86_400)
    send_mail(app)
    assert len(rows(app)) == 1
    later(2 * 86_400)
    send_mail(app)
    assert rows(app) == []


def test_a_mail_server_that_trickles_is_left_in_time(
    app: Flask, mail: int, monkeypatch: pytest.MonkeyPatch, mail_server: MailServer
) -> None:
    """Each byte of the greeting would begin the timeout of an ordinary socket again."""
    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 0.3)
    mail_server.greeting_delay = 0.1
    send_mail(app)
    assert rows(app)[0]["last_error"] == "The mail could not be sent: no response within 0.3 seconds."


def test_stopping_does_not_wait_for_a_mail_server_that_hangs(
    app: Flask, mail: int, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkend.notifications.worker.STOP_SECONDS", 0.1)
    mail_server.greeting_delay = 0.2
    worker = services(app).notifications
    worker.run_once()
    worker.stop()
    assert worker.sending
