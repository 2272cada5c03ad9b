"""Finding, loading and dumping records in commands, with the formats of the API."""

from typing import TYPE_CHECKING, Any

from checkend.cli._support.output import CommandError, RecordNotFoundError

if TYPE_CHECKING:
    from checkend.models import ApiKey, App, Channel, Problem, User
    from checkend.schemas.base import Resource


def find_app(reference: str) -> "App":
    """Return the app with this slug or id. Raises `RecordNotFoundError`."""
    from checkend.models import App
    from checkend.models.slugs import by_slug_or_id

    app = by_slug_or_id(App, reference)
    if app is None:
        raise RecordNotFoundError(f"There is no app {reference!r}. See `checkend app list`.")
    return app


def find_user(email_address: str) -> "User":
    """Return the user with this email address. Raises `RecordNotFoundError`."""
    from checkend.models import User

    user = User.with_email_address(email_address)
    if user is None:
        raise RecordNotFoundError(f"There is no user {email_address!r}. See `checkend user list`.")
    return user


def find_api_key(reference: str) -> "ApiKey":
    """Return the API key with this id or prefix. Raises `RecordNotFoundError`."""
    from sqlalchemy import select

    from checkend.db.session import db
    from checkend.models import ApiKey
    from checkend.models.slugs import by_id

    key = by_id(ApiKey, reference) or db.session.scalar(select(ApiKey).where(ApiKey.prefix == reference))
    if key is None:
        raise RecordNotFoundError(f"There is no API key {reference!r}. See `checkend api-key list`.")
    return key


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


def find_problem(reference: str) -> "Problem":
    """Return the problem with this id. Raises `RecordNotFoundError`."""
    from checkend.models import Problem
    from checkend.models.slugs import by_id

    problem = by_id(Problem, reference)
    if problem is None:
        raise RecordNotFoundError(f"There is no problem {reference!r}. See `checkend problem list`.")
    return problem


def dump_app(app: "App") -> dict[str, Any]:
    """Return an app as the API does."""
    from checkend.schemas.app import AppSchema

    fields: dict[str, Any] = AppSchema().dump(app)
    return fields


def dump_api_key(key: "ApiKey") -> dict[str, Any]:
    """Return the fields of an API key, without its value, which is not stored."""
    from checkend.clock import iso

    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "permissions": list(key.permissions),
        "app_ids": key.app_ids,
        "created_at": iso(key.created_at),
        "last_used_at": iso(key.last_used_at),
        "expires_at": iso(key.expires_at),
        "revoked_at": iso(key.revoked_at),
    }


def load_fields(schema: "Resource", fields: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Validate and load ``fields`` with a schema of the API. Raises `CommandError` with all validation errors."""
    from marshmallow import ValidationError

    from checkend.schemas.base import format_error_messages

    try:
        loaded: dict[str, Any] = schema.load(fields, partial=partial)
    except ValidationError as error:
        raise CommandError(" ".join(format_error_messages(schema, error))) from None
    return loaded
