"""Authentication of the Management API: the key in the header, looked up by prefix and compared in constant time."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from flask import g, request
from sqlalchemy import or_, select, update

from checkend import clock
from checkend.db.session import db
from checkend.db.transactions import independent_write
from checkend.exceptions import ApiError
from checkend.models.api_key import PREFIX_LENGTH, ApiKey
from checkend.models.audit_log import Label
from checkend.models.scope import AppScope

API_KEY_HEADER = "Checkend-API-Key"
LAST_USED_INTERVAL = timedelta(minutes=1)

log = logging.getLogger("checkend.auth")


@dataclass(frozen=True, slots=True)
class ApiKeyContext:
    """The API key of a request: its id, its name in the audit log, its permissions, and the apps that it may use."""

    key_id: int
    label: Label
    permissions: frozenset[str]
    apps: AppScope


def authenticate() -> None:
    """Set ``g.api_key`` to the `ApiKeyContext` of the request, and record the use of the key. Raise `ApiError` 401."""
    value = request.headers.get(API_KEY_HEADER, "")
    if not value:
        raise ApiError(401, "Missing API key")
    key = db.session.scalar(select(ApiKey).where(ApiKey.prefix == value[:PREFIX_LENGTH]))
    if key is None or not key.matches(value) or not key.is_live:
        raise ApiError(401, "Invalid or revoked API key")
    g.api_key = ApiKeyContext(key.id, key.label, frozenset(key.permissions), key.scope)
    if key.last_used_at is None or clock.now() - key.last_used_at >= LAST_USED_INTERVAL:
        _update_last_used(key.id)


def _update_last_used(key_id: int) -> None:
    now = clock.now()
    stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - LAST_USED_INTERVAL)
    try:
        with independent_write() as connection:
            connection.execute(update(ApiKey).where(ApiKey.id == key_id, stale).values(last_used_at=now))
    except Exception as error:  # only a convenience: a full disk must not keep clients from reading
        log.warning("could not record the use of API key %d: %s", key_id, error)


def require_permission(permission: str, *, all_apps: bool = False) -> None:
    """Raise `ApiError` 403 if the API key of the request does not have ``permission``.

    With ``all_apps``, also if it is restricted to certain apps.
    """
    if permission not in g.api_key.permissions:
        raise ApiError(403, f"Missing required permission: {permission}")
    if all_apps and not g.api_key.apps.is_all:
        raise ApiError(403, "This API key is restricted to certain apps, and cannot create others.")


def permitted_apps() -> AppScope:
    """Return the apps that the API key of the request may use."""
    apps: AppScope = g.api_key.apps
    return apps
