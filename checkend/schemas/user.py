"""Users."""

from typing import Any, ClassVar, get_args

from marshmallow import Schema, ValidationError, fields, post_load, pre_load, validate, validates_schema

from checkend.models.notification_preference import PreferenceLevel
from checkend.models.user import MIN_PASSWORD_LENGTH
from checkend.schemas.base import Resource
from checkend.schemas.fields import BooleanField, DateTimeField, EmailAddressField, PasswordField, TextField

_LEVELS = get_args(PreferenceLevel)
_IS_LEVEL = validate.OneOf(_LEVELS, error=f"must be one of {', '.join(_LEVELS)}.")


class UserSchema(Resource):
    """A user. The password is write-only."""

    descriptions: ClassVar[dict[str, str]] = {
        "slug": "Made from the first email address, and never changed.",
        "email_address": "Trimmed, converted to lowercase, unique.",
        "password": "Not one of the most common passwords. Never shown. A blank one leaves it unchanged in an update.",
        "password_confirmation": "Must match the password if it is sent.",
        "site_admin": "Can only be changed in the dashboard or on the command line.",
        "last_logged_in_at": "Null if the user has never signed in.",
    }

    roots = ("user",)

    id = fields.Integer(dump_only=True)
    slug = fields.String(dump_only=True)
    email_address = EmailAddressField(required=True)
    password = PasswordField(required=True, min_length=MIN_PASSWORD_LENGTH)
    password_confirmation = PasswordField()
    site_admin = BooleanField(dump_only=True)
    last_logged_in_at = DateTimeField(allow_none=True)
    created_at = DateTimeField()
    updated_at = DateTimeField()

    @pre_load
    def _drop_blank_password(self, data: dict[str, Any], *, partial: Any, **_: Any) -> dict[str, Any]:
        """Leave the password unchanged if an update sends a blank one, as forms do."""
        if not partial or not _is_blank(data.get("password")):
            return data
        blank = ("password", "password_confirmation")
        return {name: value for name, value in data.items() if name not in blank or not _is_blank(value)}

    @validates_schema(skip_on_field_errors=False)
    def _confirmation_matches(self, data: dict[str, Any], **_: Any) -> None:
        if "password_confirmation" in data and data["password_confirmation"] != data.get("password"):
            raise ValidationError("doesn't match the password.", "password_confirmation")

    @post_load
    def _drop_confirmation(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data.pop("password_confirmation", None)
        return data


class PasswordLinkSchema(Schema):
    """A link with which a user chooses a new password."""

    descriptions: ClassVar[dict[str, str]] = {"url": "The link.", "expires_at": "24 hours after it was created."}

    url = fields.String()
    expires_at = DateTimeField()


class NotificationPreferenceSchema(Resource):
    """Which email a user gets about an app of their teams."""

    roots = ("notification_preference",)
    descriptions: ClassVar[dict[str, str]] = {
        "app_slug": "Slug of the app.",
        "level": "all (default), new for new problems only, or none.",
    }

    app_id = fields.Integer(dump_only=True, attribute="app.id")
    app_slug = fields.String(dump_only=True, attribute="app.slug")
    level = TextField(required=True, validate=_IS_LEVEL)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
