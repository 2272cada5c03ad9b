"""Entries of the audit log: the table, and its limits."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Index, Integer, String, delete, insert, select, text
from sqlalchemy.orm import Mapped, mapped_column

from checkend import clock
from checkend.db.session import Model, created_column, db
from checkend.db.transactions import write_transaction

MAX_LABEL_LENGTH = 500
MAX_ENTRIES = 1_000_000  # the oldest beyond that are deleted by the cleanup
MAX_FAILED_SIGN_INS = 10_000  # the oldest beyond that are deleted when another one is added
FAILED_SIGN_IN = "sign_in.failed"
DELETE_BATCH_SIZE = 200

log = logging.getLogger("checkend.retention")


class AuditEntry(Model):
    """Who did what to which record. Written in the transaction of the change, and never changed.

    The ids of the actor, the target and the app are not foreign keys: an entry stays when its records are deleted.
    ``details`` is a JSON object, in which a record is an object with ``kind``, ``id`` and ``label``.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_at", "at"),
        Index("ix_audit_entries_event", "event"),
        Index("ix_audit_entries_actor", "actor_kind", "actor_id"),
        Index("ix_audit_entries_app_id", "app_id", sqlite_where=text("app_id IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime] = created_column()
    event: Mapped[str] = mapped_column(String(50))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[int | None] = mapped_column(Integer)
    actor_label: Mapped[str] = mapped_column(String(MAX_LABEL_LENGTH))
    client_ip: Mapped[str | None] = mapped_column(String(100))
    target_kind: Mapped[str | None] = mapped_column(String(20))
    target_id: Mapped[int | None] = mapped_column(Integer)
    target_label: Mapped[str] = mapped_column(String(MAX_LABEL_LENGTH))
    app_id: Mapped[int | None] = mapped_column(Integer)
    details_json: Mapped[str] = mapped_column("details", String)
    request_id: Mapped[str | None] = mapped_column(String(100))

    @property
    def actor(self) -> dict[str, Any]:
        """Kind, id and label of the actor."""
        return {"kind": self.actor_kind, "id": self.actor_id, "label": self.actor_label}

    @property
    def target(self) -> dict[str, Any]:
        """Kind, id and label of the record that was changed."""
        return {"kind": self.target_kind, "id": self.target_id, "label": self.target_label}

    @property
    def details(self) -> dict[str, Any]:
        """More about the change; what there is depends on the event."""
        details: dict[str, Any] = json.loads(self.details_json)
        return details


def add_entry(connection: Connection, values: dict[str, Any]) -> None:
    """Add an entry with these column values. Failed sign-ins, which need no account, are limited in number."""
    connection.execute(insert(AuditEntry.__table__), values)  # type: ignore[arg-type]  # a table
    if values["event"] == FAILED_SIGN_IN:
        failed = AuditEntry.event == FAILED_SIGN_IN
        newest = select(AuditEntry.id).where(failed).order_by(AuditEntry.id.desc())
        excess = connection.scalar(newest.offset(MAX_FAILED_SIGN_INS).limit(1))
        if excess is not None:
            connection.execute(delete(AuditEntry).where(failed, AuditEntry.id <= excess))


def delete_old_entries(days: int, limit: int | None = None) -> Iterator[int]:
    """Delete the entries that are older than ``days``, at most ``limit`` of them. Yields the number after each step."""
    cutoff, left = clock.now() - timedelta(days=days), limit
    while left is None or left > 0:
        size = DELETE_BATCH_SIZE if left is None else min(left, DELETE_BATCH_SIZE)
        deleted = _delete_oldest(AuditEntry.at < cutoff, size)
        yield deleted
        if deleted < size:
            return
        left = None if left is None else left - deleted


def delete_excess_entries() -> Iterator[int]:
    """Delete the oldest entries beyond `MAX_ENTRIES`. Yields the number after each step."""
    newest = select(AuditEntry.id).order_by(AuditEntry.id.desc())
    excess = db.session.scalar(newest.offset(MAX_ENTRIES).limit(1))
    if excess is None:
        return
    log.warning("the audit log has more than %d entries; the oldest are deleted", MAX_ENTRIES)
    while deleted := _delete_oldest(AuditEntry.id <= excess, DELETE_BATCH_SIZE):
        yield deleted


def _delete_oldest(condition: ColumnElement[bool], number: int) -> int:
    with write_transaction():
        batch = select(AuditEntry.id).where(condition).order_by(AuditEntry.at).limit(number)
        statement = delete(AuditEntry).where(AuditEntry.id.in_(batch))
        result: Any = db.session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)
