"""The audit log: an entry and a log line for each sign-in and each change of apps, problems, users and permissions.

The lines are those of the logger ``checkend.audit``, the entries are rows of ``audit_entries``. docs/operations.md
lists the events.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any

from flask import g, has_request_context, request
from flask_login import current_user as session_user
from sqlalchemy import event as orm_event
from sqlalchemy.orm import Session

from checkend import clock
from checkend.db.session import REQUEST_LOCK_SECONDS, db
from checkend.db.transactions import independent_write
from checkend.log import redact, to_json
from checkend.models.audit_entry import MAX_LABEL_LENGTH, add_entry

_PENDING = "audit"
COMMAND_LINE = "command line"

log = logging.getLogger("checkend.audit")


class Label(str):
    """The name of a record in log lines, such as ``user 1 (ada@example.com)``, with the parts that entries have.

    ``app_id`` is that of the record's app, if it belongs to one.
    """

    __slots__ = ("app_id", "id", "kind", "name")

    kind: str
    id: int | None
    name: str
    app_id: int | None

    def __new__(cls, text: str, kind: str, id: int | None, name: str, app_id: int | None = None) -> "Label":
        label = super().__new__(cls, text)
        label.kind, label.id, label.name, label.app_id = kind, id, name, app_id
        return label

    def as_dict(self) -> dict[str, Any]:
        """Return kind, id and label, as in the details of an entry."""
        return {"kind": self.kind, "id": self.id, "label": _shorten(self.name)}


@dataclass(frozen=True, slots=True)
class Origin:
    """The actor that causes an event, and the client IP; None on the command line."""

    actor: str
    client_ip: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the origin as JSON values, for work that continues after its request ended."""
        parts = [self.actor.kind, self.actor.id, self.actor.name] if isinstance(self.actor, Label) else None
        return {"actor": str(self.actor), "actor_parts": parts, "client_ip": self.client_ip}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Origin":
        """Return the origin that `as_dict` returned."""
        actor, parts = values["actor"], values.get("actor_parts")
        return cls(Label(actor, *parts) if parts else actor, values["client_ip"])


def record(
    event: str,
    target: str,
    *,
    level: int = logging.INFO,
    now: bool = False,
    stored: bool = True,
    **details: object,
) -> None:
    """Record that ``event`` happened to ``target``, with ``details``, none of which may be a secret.

    In a write transaction, the entry is part of it, and the line is logged after the commit, and not at all after a
    rollback. Otherwise the entry has a transaction of its own; with ``now``, the line is logged immediately. What
    clients can repeat without limit must not be ``stored``: it has only a line.

    Raises `DriverError` or SQLAlchemy's OperationalError if the entry cannot be written.
    """
    origin = current_origin()
    fields: dict[str, Any] = {"event": event, "actor": origin.actor, "client_ip": origin.client_ip, "target": target}
    if g.get("writing") and not now:
        db.session.info.setdefault(_PENDING, []).append((level, fields | details))
    else:
        _emit(level, fields | details)
    if stored:
        with independent_write(REQUEST_LOCK_SECONDS) as connection:
            add_entry(connection, _columns(event, origin, target, details))


def current_origin() -> Origin:
    """Return the current actor: a user, an API key, the command line, or "anonymous" before sign-in."""
    if "audit_origin" in g:  # work that continues after its request ended, such as mail
        origin: Origin = g.audit_origin
        return origin
    if not has_request_context():
        return Origin(COMMAND_LINE, None)
    if "api_key" in g:
        return Origin(g.api_key.label, request.remote_addr)
    signed_in = session_user and session_user.is_authenticated
    return Origin(session_user.row.user.label if signed_in else "anonymous", request.remote_addr)


def _columns(event: str, origin: Origin, target: str, details: dict[str, object]) -> dict[str, Any]:
    actor = origin.actor if isinstance(origin.actor, Label) else None
    named = target if isinstance(target, Label) else None
    stored = {name: _storable(value) for name, value in details.items() if value is not None}
    return {
        "at": clock.now(),
        "event": event,
        "actor_kind": actor.kind if actor else "command_line" if origin.actor == COMMAND_LINE else "anonymous",
        "actor_id": actor.id if actor else None,
        "actor_label": _shorten(actor.name if actor else origin.actor),
        "client_ip": origin.client_ip and origin.client_ip[:100],
        "target_kind": named.kind if named else None,
        "target_id": named.id if named else None,
        "target_label": _shorten(named.name if named else target),
        "app_id": named.app_id if named else None,
        "details": json.dumps(stored),
        "request_id": g.get("request_id") if has_request_context() else None,
    }


def _storable(value: object) -> object:
    if isinstance(value, Label):
        return value.as_dict()
    return redact(value) if isinstance(value, str) else value


def _shorten(text: str) -> str:
    text = redact(text)
    return text if len(text) <= MAX_LABEL_LENGTH else f"{text[: MAX_LABEL_LENGTH - 1]}…"


def _emit(level: int, fields: dict[str, Any]) -> None:
    shown = {name: value for name, value in fields.items() if name != "event" and value is not None}
    pairs = " ".join(f"{name}={to_json(value)}" for name, value in shown.items())
    log.log(level, "%s %s", fields["event"], pairs, extra={"fields": fields})


@orm_event.listens_for(Session, "after_commit")
def _emit_pending(session: Session) -> None:
    for level, fields in session.info.pop(_PENDING, ()):
        _emit(level, fields)


@orm_event.listens_for(Session, "after_rollback")
def _drop_pending(session: Session) -> None:
    session.info.pop(_PENDING, None)
