"""The SMTP server that site admins chose in the dashboard; the settings of the environment take precedence."""

from datetime import datetime
from typing import Literal

from sqlalchemy import Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from checkend.db.session import Model, db, updated_column

Tls = Literal["starttls", "tls", "none"]


class StoredMailSettings(Model):
    """The only row of its table, if there is one. ``password`` is encrypted (`checkend.notifications.encryption`)."""

    __tablename__ = "mail_settings"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int] = mapped_column(Integer)
    tls: Mapped[Tls] = mapped_column(String(10))
    username: Mapped[str] = mapped_column(String(255))
    password: Mapped[bytes | None] = mapped_column(LargeBinary)
    from_address: Mapped[str] = mapped_column(String(320))
    updated_at: Mapped[datetime] = updated_column()

    @classmethod
    def load(cls) -> "StoredMailSettings | None":
        """Return the settings, as they are in the database now; None if there are none."""
        return db.session.get(cls, 1, populate_existing=True)
