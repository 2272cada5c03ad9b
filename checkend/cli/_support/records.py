"""Records as commands find and show them: as the API does."""

from typing import TYPE_CHECKING, Any

from checkend.cli._support.output import CommandError, RecordNotFoundError

if TYPE_CHECKING:
    from checkend.models import ApiKey, App, Channel, User
    from checkend.schemas.base import Resource


def find_app(reference: str) -> "App":
    """The app with this slug or id. Raises `RecordNotFoundError`."""
    from checkend.models import App
    from checkend.models.slugs import by_slug_or_id

    found = by_slug_or_id(App, reference)
    if found is None:
        raise RecordNotFoundError(f"There is no app {reference!r}. See `checkend app list`.")
    return found


def find_user(email_address: str) -> "User":
    """The user with this address. Raises `RecordNotFoundError`."""
    from checkend.models import User

    found = User.with_email_address(email_address)
    if found is None:
        raise RecordNotFoundError(f"There is no user {email_address!r}. See `checkend user list`.")
    return found


def find_api_key(reference: str) -> "ApiKey":
    """The API key with this id or public prefix. Raises `RecordNotFoundError`."""
    from sqlalchemy import select

    from checkend.db.session import db
    from checkend.models import ApiKey
    from checkend.models.slugs import by_id

    found = by_id(ApiKey, reference) or db.session.scalar(select(ApiKey).where(ApiKey.prefix == reference))
    if found is None:
        raise RecordNotFoundError(f"There is no API key {reference!r}. See `checkend api-key list`.")
    return found


def find_channel(app: "App", reference: str) -> "Channel":
    """Return the channel of the app with this id. Raises `RecordNotFoundError`."""
    from checkend.models import Channel
    from checkend.models.slugs import by_id

    found = by_id(Channel, reference)
    if found is None or found.app_id != app.id:
        raise RecordNotFoundError(
            f"App {app.name!r} has no channel {reference!r}. See `checkend channel list {app.slug}`."
        )
    return found


def show_app(app: "App") -> dict[str, Any]:
    """An app as the API shows it, and how long its notices are kept (null: as the server's settings say)."""
    from checkend.schemas.app import AppSchema

    shown: dict[str, Any] = AppSchema().dump(app)
    return shown | {"retention_days": app.retention_days, "retention_notices": app.retention_notices}


def show_api_key(key: "ApiKey") -> dict[str, Any]:
    """An API key as JSON shows it, without its value, which is not kept."""
    from checkend.clock import iso

    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "permissions": list(key.permissions),
        "created_at": iso(key.created_at),
        "last_used_at": iso(key.last_used_at),
        "expires_at": iso(key.expires_at),
        "revoked_at": iso(key.revoked_at),
    }


def load_fields(schema: "Resource", fields: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """``fields`` as the API's ``schema`` reads them. Raises `CommandError` with a sentence for each fault."""
    from marshmallow import ValidationError

    from checkend.schemas.base import format_error_messages

    try:
        loaded: dict[str, Any] = schema.load(fields, partial=partial)
    except ValidationError as error:
        raise CommandError(" ".join(format_error_messages(schema, error))) from None
    return loaded
