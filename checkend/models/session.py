"""Sessions of the dashboard, each of which can be revoked."""

import secrets
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Integer, LargeBinary, String, delete, or_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from checkend import clock
from checkend.db.session import Model, UtcDateTime, created_column, db
from checkend.models import audit_log
from checkend.models.api_key import digest_of
from checkend.models.user import User


class UserSession(Model):
    """A browser in which a user is signed in. Its cookie contains a token, of which only the hash is stored."""

    __tablename__ = "sessions"

    IDLE_LIMIT: ClassVar[timedelta] = timedelta(days=30)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_agent: Mapped[str] = mapped_column(String(500), default="")
    address: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[datetime] = created_column()
    last_active_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)

    user: Mapped[User] = relationship(back_populates="sessions")

    @classmethod
    def start(cls, user: User, *, user_agent: str, address: str) -> tuple["UserSession", str]:
        """Add a new session of ``user``; return it and the token for its cookie."""
        token = secrets.token_urlsafe(32)
        row = cls(user=user, token_digest=digest_of(b"", token), user_agent=user_agent[:500], address=address[:100])
        user.last_logged_in_at = clock.now()
        db.session.add(row)
        db.session.flush()
        return row, token

    @classmethod
    def of_user(cls, user: User, lifetime: timedelta) -> list["UserSession"]:
        """Return the live sessions of ``user``, most recently used first."""
        now = clock.now()
        live = select(cls).where(
            cls.user_id == user.id, cls.last_active_at > now - cls.IDLE_LIMIT, cls.created_at > now - lifetime
        )
        return list(db.session.scalars(live.order_by(cls.last_active_at.desc(), cls.id.desc())))

    @classmethod
    def revoke_others(cls, kept: "UserSession") -> int:
        """End all other sessions of the same user; return how many there were."""
        others = delete(cls).where(cls.user_id == kept.user_id, cls.id != kept.id)
        result: Any = db.session.execute(others)
        count = int(result.rowcount)
        if count:
            audit_log.record("sign_out", kept.user.label, sessions=count)
        return count

    @classmethod
    def delete_expired(cls, lifetime: timedelta) -> None:
        """Delete the sessions that have expired."""
        now = clock.now()
        has_expired = or_(cls.last_active_at <= now - cls.IDLE_LIMIT, cls.created_at <= now - lifetime)
        db.session.execute(delete(cls).where(has_expired))

    @classmethod
    def with_token(cls, token: str) -> "UserSession | None":
        """Return the session whose cookie contains ``token``; None if it was revoked or never existed."""
        return db.session.scalar(select(cls).where(cls.token_digest == digest_of(b"", token)))

    def is_live(self, lifetime: timedelta) -> bool:
        """Return whether the session was used in the last thirty days, and began less than ``lifetime`` ago."""
        now = clock.now()
        return self.last_active_at > now - self.IDLE_LIMIT and self.created_at > now - lifetime

    def revoke(self) -> None:
        """Sign the browser out, from the commit on."""
        audit_log.record("sign_out", self.user.label, sessions=1)
        db.session.delete(self)
