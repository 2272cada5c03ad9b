"""Mail that Checkend sends on its own behalf: invitations, password links, changes of email addresses."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, delete, func, select, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from checkend import clock
from checkend.db.session import Model, UtcDateTime, created_column, db
from checkend.models.invitation import Invitation

MailStatus = Literal["pending", "sent", "failed", "gave_up"]

KEEP_MAIL = timedelta(days=14)
EXPIRED = "The link in this mail expired before it could be sent."


class OutgoingMail(Model):
    """A mail that is to be sent, or was: a row of the outbox, like `checkend.models.Delivery`.

    ``body`` is encrypted (`checkend.notifications.encryption`), since it can contain a link that gives access; it is
    deleted when the mail ends. ``expires_at`` is when that link expires: from then on, the mail is not sent any more.
    ``message_id`` is the same on every attempt. While ``leased_until`` lies in the future, a thread is sending it.
    """

    __tablename__ = "outgoing_mail"
    __table_args__ = (
        Index("ix_outgoing_mail_due", "next_attempt_at", sqlite_where=text("status = 'pending'")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    message_id: Mapped[str] = mapped_column(String(40), unique=True, default=lambda: f"mail_{uuid.uuid4().hex}")
    recipient: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    invitation_id: Mapped[int | None] = mapped_column(ForeignKey("invitations.id", ondelete="CASCADE"), index=True)
    status: Mapped[MailStatus] = mapped_column(String(10), default="pending")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=clock.now)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = created_column()
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    invitation: Mapped[Invitation | None] = relationship()

    def end(self, status: MailStatus, error: str = "") -> None:
        """End the mail without another attempt, and delete its body."""
        self.status, self.last_error, self.body = status, error or None, None
        self.next_attempt_at = self.leased_until = None

    @property
    def is_expired(self) -> bool:
        """Return whether the link in the mail does not work any more."""
        used = self.invitation is not None and not self.invitation.is_open
        return used or (self.expires_at is not None and self.expires_at <= clock.now())

    @classmethod
    def count_pending(cls) -> int:
        """Return how many mails wait to be sent."""
        statement = select(func.count()).select_from(cls).where(cls.status == "pending")
        return db.session.scalar(statement) or 0

    @classmethod
    def of_invitations(cls, invitations: Iterable[Invitation]) -> "dict[int, OutgoingMail]":
        """Return the latest mail of each invitation, by the invitation's id."""
        ids = [invitation.id for invitation in invitations]
        rows = db.session.scalars(select(cls).where(cls.invitation_id.in_(ids)).order_by(cls.id))
        return {mail.invitation_id: mail for mail in rows if mail.invitation_id is not None}


def delete_old_mail() -> None:
    """Delete mail that ended, and was created more than `KEEP_MAIL` ago."""
    ended = OutgoingMail.status != "pending"
    db.session.execute(delete(OutgoingMail).where(ended, OutgoingMail.created_at < clock.now() - KEEP_MAIL))
