"""Sign-ins of the dashboard, each of which can be revoked."""

import secrets
from datetime import datetime

from sqlalchemy import ForeignKey, Integer, LargeBinary, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from checkend import clock
from checkend.extensions import Model, UtcDateTime, created_column, db
from checkend.models.api_key import digest_of
from checkend.models.user import User


class UserSession(Model):
    """A browser in which someone is signed in. Its cookie holds a token of which only the hash is kept."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_agent: Mapped[str] = mapped_column(String(500), default="")
    address: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[datetime] = created_column()
    last_active_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)

    user: Mapped[User] = relationship()

    @classmethod
    def start(cls, user: User, *, user_agent: str, address: str) -> tuple["UserSession", str]:
        """Sign ``user`` in: a new row in the session, and the token for the cookie."""
        token = secrets.token_urlsafe(32)
        row = cls(user=user, token_digest=digest_of(b"", token), user_agent=user_agent[:500], address=address[:100])
        user.last_logged_in_at = clock.now()
        db.session.add(row)
        db.session.flush()
        return row, token

    @classmethod
    def with_token(cls, token: str) -> "UserSession | None":
        """The session whose cookie holds ``token``; None when it was revoked or never was."""
        return db.session.scalar(select(cls).where(cls.token_digest == digest_of(b"", token)))
