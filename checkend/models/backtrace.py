"""Backtraces: each is stored once, however many notices have it."""

from typing import Any

from sqlalchemy import Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from checkend.db.compression import decompress
from checkend.db.session import Model


class Backtrace(Model):
    """A backtrace exactly as it was sent, compressed, identified by the digest of its content.

    It is parsed when it is read, so that nothing is lost and a better parser also improves stored backtraces.
    ``app_id`` is the app that sent it first, to whose size it counts; that app may have been deleted since.
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
