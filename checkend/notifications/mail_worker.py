"""The thread that sends the mail that `checkend.notifications.outgoing_mail` queued."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask, g
from sqlalchemy import select

from checkend import clock
from checkend.db.session import REQUEST_LOCK_SECONDS, db
from checkend.db.transactions import write_transaction
from checkend.models import OutgoingMail
from checkend.models.outgoing_mail import EXPIRED
from checkend.notifications import mail as transport
from checkend.notifications import password_mail
from checkend.notifications.encryption import SecretsUnreadableError, secret_box
from checkend.notifications.mail_settings import current_settings
from checkend.notifications.outbox import LEASE, RETRY_DELAYS, Outcome, is_due, retry_delay

log = logging.getLogger("checkend.mail")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What became of an attempt. ``recipient`` is None if there is nobody to write to.

    ``written`` is the text that was written for this attempt, and is kept for the next one.
    """

    outcome: Outcome
    recipient: str | None
    written: str | None = None


class MailWorker:
    """Sends the mail of one server, one after the other, since all of it goes through the same SMTP server.

    The notification worker calls `run_once`. A mail that was leased but not recorded, because the process was killed,
    is sent again when its lease ends, with the same message id.
    """

    def __init__(self, app: Flask, stopping: threading.Event) -> None:
        self._app = app
        self._stopping = stopping
        self._thread: threading.Thread | None = None

    @property
    def sending(self) -> bool:
        """Return whether a mail is being sent at the moment."""
        return self._thread is not None and self._thread.is_alive()

    def run_once(self) -> None:
        """Start sending what is due, unless a thread is sending already."""
        if not self.sending and has_due():
            self._thread = threading.Thread(target=self._work, name="checkend-mail", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            with self._app.app_context():
                g.timeout_seconds = REQUEST_LOCK_SECONDS
                while not self._stopping.is_set() and (mail_id := _lease_next()) is not None:
                    _send(mail_id)
        except Exception:
            log.exception("sending mail was interrupted; what was being sent is attempted again when its lease ends")


def has_due() -> bool:
    """Return whether mail can be sent now."""
    return db.session.scalar(select(OutgoingMail.id).where(is_due(clock.now(), OutgoingMail)).limit(1)) is not None


def _lease_next() -> int | None:
    if not has_due():
        return None
    with write_transaction():
        now = clock.now()
        due = select(OutgoingMail).where(is_due(now, OutgoingMail)).order_by(OutgoingMail.next_attempt_at).limit(1)
        mail = db.session.scalar(due)
        if mail is None:  # another process was faster
            return None
        mail.leased_until = now + LEASE
        return mail.id


def _send(mail_id: int) -> None:
    mail = db.session.get(OutgoingMail, mail_id)
    if mail is None:  # its invitation was deleted
        return
    attempt = _attempt(mail)
    with write_transaction():
        row = db.session.get(OutgoingMail, mail_id)
        if row is not None:
            _record(row, attempt, clock.now())
    if attempt.outcome.error:
        transport.outcomes["failed"] += 1
        log.warning("mail %d could not be sent: %s", mail_id, attempt.outcome.error)
    elif attempt.recipient is not None:
        transport.outcomes["sent"] += 1


def _attempt(mail: OutgoingMail) -> _Attempt:
    """Send the mail if it should still be sent. No transaction is open meanwhile, as SMTP servers can be slow."""
    if mail.is_expired:
        return _Attempt(Outcome(EXPIRED, permanent=True), mail.recipient)
    try:
        content: dict[str, Any] = secret_box().open(mail.body, "this mail")
        settings = current_settings()
    except SecretsUnreadableError as error:
        return _Attempt(Outcome(str(error)), mail.recipient)
    recipient, text, written = mail.recipient, content.get("text"), None
    if text is None:
        found = password_mail.write_text(recipient, content["password_link"])
        if found is None:
            return _Attempt(Outcome(), None)
        recipient, written = found
    db.session.expunge_all()
    db.session.rollback()
    if settings is None or not settings.url:
        return _Attempt(Outcome(transport.NOT_CONFIGURED), recipient, written)
    mail.recipient = recipient
    try:
        message = transport.build_message(settings, mail, text or written or "")
    except ValueError as error:  # an address that cannot be written in a header, say
        return _Attempt(Outcome(f"The mail could not be written: {error}", permanent=True), recipient)
    return _Attempt(transport.send(settings, message), recipient, written)


def _record(mail: OutgoingMail, attempt: _Attempt, now: datetime) -> None:
    outcome = attempt.outcome
    if attempt.recipient is None:
        db.session.delete(mail)
        return
    mail.recipient, mail.attempts, mail.leased_until = attempt.recipient, mail.attempts + 1, None
    if not outcome.error:
        mail.end("sent")
        mail.sent_at = now
    elif outcome.permanent:
        mail.end("failed", outcome.error)
    elif mail.attempts > len(RETRY_DELAYS):
        mail.end("gave_up", outcome.error)
    else:
        mail.last_error, mail.next_attempt_at = outcome.error, now + retry_delay(mail.attempts, None)
        if attempt.written is not None:
            mail.body = secret_box().seal({"text": attempt.written})
