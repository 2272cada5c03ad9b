"""Users."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, pre_load, validates_schema

from checkend.models.user import MIN_PASSWORD
from checkend.schemas.base import Resource
from checkend.schemas.fields import EmailAddress, Flag, Moment, Password


class UserSchema(Resource):
    """A user. The password can be set and is never shown."""

    roots = ("user",)

    id = fields.Integer(dump_only=True)
    slug = fields.String(dump_only=True)
    email_address = EmailAddress(required=True)
    password = Password(required=True, least=MIN_PASSWORD)
    password_confirmation = Password()
    site_admin = Flag(dump_only=True)
    last_logged_in_at = Moment()
    created_at = Moment()
    updated_at = Moment()

    @pre_load
    def _drop_blank_password(self, data: dict[str, Any], *, partial: Any, **_: Any) -> dict[str, Any]:
        """Leave the password unchanged where an update sends none, as a form does whose field was not filled in."""
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


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
