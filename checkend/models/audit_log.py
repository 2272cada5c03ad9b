"""The audit log ``checkend.audit``: a line for each sign-in and each change of apps, users, teams and permissions.

docs/operations.md lists the events.
"""

import logging
from dataclasses import dataclass
from typing import Any

from flask import g, has_request_context, request
from flask_login import current_user as session_user
from sqlalchemy import event as orm_event
from sqlalchemy.orm import Session

from checkend.db.session import db
from checkend.log import to_json

_PENDING = "audit"

log = logging.getLogger("checkend.audit")


@dataclass(frozen=True, slots=True)
class Origin:
    """The actor that causes an event, and the client IP; None on the command line."""

    actor: str
    client_ip: str | None


def record(event: str, target: str, *, level: int = logging.INFO, now: bool = False, **details: object) -> None:
    """Log that ``event`` happened to ``target``, with ``details``, none of which may be a secret.

    In a write transaction, the line is logged after the commit, and not at all after a rollback. Otherwise, or with
    ``now``, it is logged immediately.
    """
    origin = current_origin()
    fields: dict[str, Any] = {"event": event, "actor": origin.actor, "client_ip": origin.client_ip, "target": target}
    if g.get("writing") and not now:
        db.session.info.setdefault(_PENDING, []).append((level, fields | details))
    else:
        _emit(level, fields | details)


def current_origin() -> Origin:
    """Return the current actor: a user, an API key, the command line, or "anonymous" before sign-in."""
    if "audit_origin" in g:  # work that continues after its request ended, such as mail
        origin: Origin = g.audit_origin
        return origin
    if not has_request_context():
        return Origin("command line", None)
    if "api_key" in g:
        return Origin(g.api_key.label, request.remote_addr)
    signed_in = session_user and session_user.is_authenticated
    return Origin(session_user.row.user.label if signed_in else "anonymous", request.remote_addr)


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
