"""Responses that are repeated for a request with the same ``Idempotency-Key``."""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from checkend import clock
from checkend.db.session import Model, created_column, db

KEEP_RESPONSES = timedelta(hours=24)
MAX_RESPONSES = 10_000  # for each API key; beyond that the oldest are deleted


class IdempotentResponse(Model):
    """The response to a POST request that an API key sent with an idempotency key.

    It is added in the transaction of the change that it reports, so that a client which did not receive the response
    gets it with the next attempt, and the change is made once. ``digest`` identifies the method, path and body of the
    request. ``body`` is encrypted, because it may contain a signing secret.
    """

    __tablename__ = "idempotent_responses"
    __table_args__ = (
        UniqueConstraint("api_key_id", "key"),
        Index("ix_idempotent_responses_created_at", "created_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    api_key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(255))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int] = mapped_column(Integer)
    location: Mapped[str | None] = mapped_column(String)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = created_column()

    @classmethod
    def find(cls, api_key_id: int, key: str) -> "IdempotentResponse | None":
        """Return the response that is kept for the API key and the idempotency key."""
        since = clock.now() - KEEP_RESPONSES
        statement = select(cls).where(cls.api_key_id == api_key_id, cls.key == key, cls.created_at > since)
        return db.session.scalar(statement)

    @classmethod
    def keep(cls, api_key_id: int, key: str, **fields: object) -> None:
        """Keep a response. Raises IntegrityError if another request with the same keys was faster."""
        old = delete(cls).where(cls.api_key_id == api_key_id)
        outdated = cls.created_at <= clock.now() - KEEP_RESPONSES
        db.session.execute(old.where(cls.key == key, outdated))
        count = db.session.scalar(select(func.count()).select_from(cls).where(cls.api_key_id == api_key_id)) or 0
        if count >= MAX_RESPONSES:
            oldest = (
                select(cls.id).where(cls.api_key_id == api_key_id).order_by(cls.id).limit(count + 1 - MAX_RESPONSES)
            )
            db.session.execute(old.where(cls.id.in_(oldest)))
        db.session.add(cls(api_key_id=api_key_id, key=key, **fields))
        db.session.flush()


def delete_old_responses() -> None:
    """Delete responses that are no longer repeated."""
    outdated = IdempotentResponse.created_at <= clock.now() - KEEP_RESPONSES
    db.session.execute(delete(IdempotentResponse).where(outdated))


def delete_all_responses() -> None:
    """Delete all responses, which a new encryption key could not decrypt."""
    db.session.execute(delete(IdempotentResponse))
