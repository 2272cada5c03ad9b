"""Queueing mail, in the transaction that makes it necessary. `checkend.notifications.mail_worker` sends it."""

from datetime import datetime
from typing import Any

from checkend.db.session import db
from checkend.exceptions import ApiError
from checkend.models import Invitation, OutgoingMail
from checkend.notifications.encryption import secret_box

MAX_PENDING = 1_000


def queue(
    recipient: str,
    subject: str,
    text: str,
    *,
    expires_at: datetime | None = None,
    invitation: Invitation | None = None,
) -> OutgoingMail:
    """Queue a mail; for a write transaction. ``expires_at`` is when a link in it stops working.

    Raises `ApiError` while `MAX_PENDING` mails wait.
    """
    return _add({"text": text}, recipient=recipient, subject=subject, expires_at=expires_at, invitation=invitation)


def queue_password_link(recipient: str, subject: str, request: dict[str, Any], expires_at: datetime) -> OutgoingMail:
    """Queue a mail whose text is written when it is sent, if there is a user with that email address at all.

    So what a request for a password link writes does not depend on whether the user exists.
    """
    return _add({"password_link": request}, recipient=recipient, subject=subject, expires_at=expires_at)


def _add(content: dict[str, Any], **fields: Any) -> OutgoingMail:
    # Counting takes the write lock: what is encrypted from here on is encrypted with the current key.
    if OutgoingMail.count_pending() >= MAX_PENDING:
        raise ApiError(503, "Too many mails are waiting to be sent. Try again later.", retry_after=60)
    mail = OutgoingMail(body=secret_box().seal(content), **fields)
    db.session.add(mail)
    db.session.flush()
    return mail
