"""Who asks the Management API: the key in the header, found by its prefix and compared in constant time."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from flask import g, request
from sqlalchemy import or_, select, update

from checkend import clock
from checkend.errors import ApiError
from checkend.extensions import db, write_aside
from checkend.models.api_key import PREFIX_LENGTH, ApiKey

HEADER = "Checkend-API-Key"
STAMP_EVERY = timedelta(minutes=1)

log = logging.getLogger("checkend.auth")


@dataclass(frozen=True, slots=True)
class Caller:
    """The key that a request came with: its id, how the audit log names it, and what it may do."""

    key_id: int
    label: str
    permissions: frozenset[str]


def authenticate() -> None:
    """Note the request's `Caller` in ``g.caller``, and stamp the key's use. Raises `ApiError` 401."""
    value = request.headers.get(HEADER, "")
    if not value:
        raise ApiError(401, "Missing API key")
    key = db.session.scalar(select(ApiKey).where(ApiKey.prefix == value[:PREFIX_LENGTH]))
    if key is None or not key.matches(value) or not key.is_live:
        raise ApiError(401, "Invalid or revoked API key")
    g.caller = Caller(key.id, key.label, frozenset(key.permissions))
    if key.last_used_at is None or clock.now() - key.last_used_at >= STAMP_EVERY:
        _stamp(key.id)


def _stamp(key_id: int) -> None:
    now = clock.now()
    stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - STAMP_EVERY)
    try:
        with write_aside() as connection:
            connection.execute(update(ApiKey).where(ApiKey.id == key_id, stale).values(last_used_at=now))
    except Exception as error:  # the stamp is a convenience: a full disk must not stop reading
        log.warning("the use of API key %d could not be noted: %s", key_id, error)


def require(permission: str) -> None:
    """Raises `ApiError` 403 when the caller's key does not have ``permission``."""
    if permission not in g.caller.permissions:
        raise ApiError(403, f"Missing required permission: {permission}")
