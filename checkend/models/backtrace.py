"""Backtraces, each stored once however many notices have it."""

from typing import Any

from sqlalchemy import Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from checkend.db.compression import decompress
from checkend.db.session import Model


class Backtrace(Model):
    """A backtrace exactly as it was sent, packed, under the digest of its content.

    Kept raw, and parsed when it is read, so that nothing sent is lost and a better parser improves what is stored.
    ``app_id`` is the app that sent it first, which its size counts for; that app may be deleted by now.
    """

    __tablename__ = "backtraces"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    packed: Mapped[bytes] = mapped_column(LargeBinary)
    app_id: Mapped[int | None] = mapped_column(Integer)

    @property
    def raw(self) -> Any:
        """The list of strings or objects that the SDK sent."""
        return decompress(self.packed)
