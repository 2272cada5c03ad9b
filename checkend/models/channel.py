"""Channels: where the notifications of an app go, and the outbox of what is to be sent there."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Select,
    String,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from checkend import clock
from checkend.db.session import Model, UtcDateTime, created_column, db
from checkend.exceptions import DomainError
from checkend.models import audit_log
from checkend.models.app import App
from checkend.models.audit_log import Label
from checkend.models.level import LEVELS, Level

DeliveryStatus = Literal["pending", "delivered", "failed", "gave_up"]

DEFAULT_EVENTS = ("new_problem", "reoccurrence")
MAX_CHANNELS_PER_APP = 20
KEEP_DELIVERIES = timedelta(days=30)
FAILURES_SHOWN = 5  # consecutive failed deliveries after which the dashboard warns about a channel


class ProblemEvent(Model):
    """Something that happened to a problem and that its app's channels have yet to hear of.

    The ingest writer inserts the row in the transaction that stores the report. The notification worker turns it into
    deliveries and deletes it, also in one transaction. So the table is always short, and needs no foreign keys.
    """

    __tablename__ = "problem_events"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    app_id: Mapped[int] = mapped_column(Integer)
    problem_id: Mapped[int] = mapped_column(Integer)
    notice_id: Mapped[int | None] = mapped_column(Integer)
    event: Mapped[str] = mapped_column(String(20))
    environment: Mapped[str] = mapped_column(String)
    release: Mapped[str] = mapped_column(String)
    level: Mapped[str] = mapped_column(String(10), default="error", server_default=text("'error'"))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default=text("'{}'"))
    created_at: Mapped[datetime] = created_column()


class Channel(Model):
    """A channel of an app. ``secrets`` is encrypted JSON (`checkend.notifications.encryption`), never shown again.

    ``failures`` counts the attempts that failed since the last one that succeeded, ``rejections`` those in a row that
    the receiver rejected as unauthorized or unknown. A channel that its receiver rejects for good is disabled, and
    ``last_error`` says why. ``secret_rotated_at`` is when a webhook's signing secret was last replaced.

    A problem spikes when it occurs ``spike_occurrences`` times within ``spike_minutes``. Ingestion counts occurrences
    per minute only for apps with a channel that has ``watches_spikes``, which `_note_spikes` maintains.
    """

    __tablename__ = "channels"
    __table_args__ = (Index("ix_channels_app_id", "app_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    app_id: Mapped[int] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    events: Mapped[list[str]] = mapped_column(JSON, default=lambda: list(DEFAULT_EVENTS))
    environments: Mapped[list[str]] = mapped_column(JSON, default=list)
    min_level: Mapped[Level] = mapped_column(String(10), default="debug", server_default=text("'debug'"))
    min_interval_seconds: Mapped[int] = mapped_column(Integer, default=0)
    spike_occurrences: Mapped[int] = mapped_column(Integer, default=100, server_default=text("100"))
    spike_minutes: Mapped[int] = mapped_column(Integer, default=5, server_default=text("5"))
    watches_spikes: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("0"))
    config: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_rotated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    rejections: Mapped[int] = mapped_column(Integer, default=0)
    last_delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String)
    created_at: Mapped[datetime] = created_column()
    updated_at: Mapped[datetime] = created_column()  # deliveries do not change it, `change` does

    app: Mapped[App] = relationship()

    @validates("events")
    def _note_spikes(self, _: str, events: list[str]) -> list[str]:
        self.watches_spikes = "spike" in events
        return events

    @classmethod
    def create(cls, app: App, **fields: Any) -> "Channel":
        """Add a channel to ``app``. Raises `DomainError` when it has `MAX_CHANNELS_PER_APP`."""
        count = db.session.scalar(select(func.count()).select_from(cls).where(cls.app_id == app.id)) or 0
        if count >= MAX_CHANNELS_PER_APP:
            raise DomainError(f"An app can have at most {MAX_CHANNELS_PER_APP} channels. Delete one first.")
        channel = cls(app=app, **fields)
        db.session.add(channel)
        db.session.flush()
        audit_log.record("channel.created", channel.label)
        return channel

    @classmethod
    def of_app(cls, app: App) -> list["Channel"]:
        """Return the app's channels in the order in which they were created."""
        return list(db.session.scalars(select(cls).where(cls.app_id == app.id).order_by(cls.id)))

    def change(self, **fields: Any) -> None:
        """Change columns by name.

        Enabling or disabling a channel forgets its failures; disabling also gives up its pending deliveries.
        """
        changes = {name: value for name, value in fields.items() if getattr(self, name) != value}
        if not changes:
            return
        for name, value in changes.items():
            setattr(self, name, value)
        self.updated_at = clock.now()
        if "enabled" in changes:
            self.failures, self.rejections, self.last_error = 0, 0, None
        if changes.get("enabled") is False:
            give_up_pending([self])
        audit_log.record("channel.changed", self.label, fields=sorted(changes))

    def delete(self) -> None:
        """Delete the channel with its deliveries; what is pending is not sent."""
        audit_log.record("channel.deleted", self.label)
        db.session.delete(self)

    def note_test(self, error: str, now: datetime) -> None:
        """Note what became of a test; ``error`` is "" for success, which forgets earlier failures."""
        if error:
            self.last_failed_at, self.last_error = now, error
        else:
            self.failures, self.rejections, self.last_delivered_at, self.last_error = 0, 0, now, None

    @property
    def label(self) -> Label:
        """Return the channel's name in the audit log."""
        text = f"channel {self.id} ({self.name}) of {self.app.label}"
        return Label(text, "channel", self.id, f"{self.name} of {self.app.name}", self.app_id)

    @property
    def secret_set(self) -> bool:
        """Return whether the channel has secret settings."""
        return self.secrets is not None

    @property
    def is_failing(self) -> bool:
        """Return whether so many deliveries failed in a row that somebody should look at the channel."""
        return self.failures >= FAILURES_SHOWN or (not self.enabled and self.last_error is not None)

    def accepts(self, event: str, environments: Iterable[str], level: str) -> bool:
        """Return whether a notification about ``event`` in any of ``environments`` passes the channel's filters."""
        if not self.enabled or event not in self.events or LEVELS.index(level) < LEVELS.index(self.min_level):
            return False
        wanted = {name.casefold() for name in self.environments}
        return not wanted or any(environment.casefold() in wanted for environment in environments)


class Delivery(Model):
    """A notification for one receiver of a channel: a row of the outbox.

    ``message_id`` is the same on every attempt, so that a receiver can recognize a repeat. ``recipient`` is an email
    address, "" for kinds with one receiver. ``problem_ids`` are the problems that the message is about: one, or for a
    digest every one that was collected so far. While ``leased_until`` lies in the future, a thread is sending it.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_channel_id", "channel_id", "id"),
        Index("ix_deliveries_due", "next_attempt_at", sqlite_where=text("status = 'pending'")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    message_id: Mapped[str] = mapped_column(String(40), unique=True, default=lambda: f"msg_{uuid.uuid4().hex}")
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(20))
    recipient: Mapped[str] = mapped_column(String(320), default="")
    problem_ids: Mapped[list[int]] = mapped_column(JSON, default=list)
    notice_id: Mapped[int | None] = mapped_column(Integer)
    environment: Mapped[str] = mapped_column(String, default="")
    release: Mapped[str] = mapped_column(String, default="")
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default=text("'{}'"))
    status: Mapped[DeliveryStatus] = mapped_column(String(10), default="pending")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=clock.now)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(String)
    created_at: Mapped[datetime] = created_column()
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    channel: Mapped[Channel] = relationship()

    @property
    def problem_id(self) -> int | None:
        """The problem that the message is about; None for a digest or a test."""
        return self.problem_ids[0] if len(self.problem_ids) == 1 else None

    def give_up(self, reason: str) -> None:
        """End the delivery without another attempt, for a reason that is not the receiver's."""
        self.status, self.next_attempt_at, self.leased_until, self.last_error = "gave_up", None, None, reason

    def redeliver(self) -> None:
        """Queue a delivery that ended again, with the same message id.

        Raises `DomainError` while it is pending, and if its channel is disabled.
        """
        if self.status == "pending":
            raise DomainError("This delivery is still pending.")
        if not self.channel.enabled:
            raise DomainError("The channel is disabled. Enable it first.")
        self.status, self.attempts, self.next_attempt_at = "pending", 0, clock.now()
        self.leased_until = self.delivered_at = None


class Spike(Model):
    """A spike of a problem that a channel was notified of, until it ends."""

    __tablename__ = "spikes"
    __table_args__ = ({"sqlite_with_rowid": False},)

    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True)
    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"), primary_key=True, index=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


def deliveries_of(channel: Channel) -> "Select[Any]":
    """Return a statement for the channel's deliveries, newest first."""
    return select(Delivery).where(Delivery.channel_id == channel.id).order_by(Delivery.id.desc())


def count_deliveries(channel: Channel) -> int:
    """Return how many deliveries `deliveries_of` finds."""
    statement = select(func.count()).select_from(Delivery).where(Delivery.channel_id == channel.id)
    return db.session.scalar(statement) or 0


def delete_old_deliveries() -> None:
    """Delete deliveries that ended more than `KEEP_DELIVERIES` ago."""
    ended = Delivery.status != "pending"
    db.session.execute(delete(Delivery).where(ended, Delivery.created_at < clock.now() - KEEP_DELIVERIES))


def give_up_pending(channels: Iterable[Channel]) -> None:
    """End the pending deliveries of channels that were disabled."""
    ids = [channel.id for channel in channels]
    statement = update(Delivery).where(Delivery.channel_id.in_(ids), Delivery.status == "pending")
    values = {"status": "gave_up", "next_attempt_at": None, "last_error": "The channel was disabled."}
    db.session.execute(statement.values(values))
