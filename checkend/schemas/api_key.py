"""API keys."""

from typing import ClassVar

from marshmallow import Schema, fields

from checkend.schemas.fields import DateTimeField


class ApiKeySchema(Schema):
    """An API key, without its value. ``prefix`` is the beginning of the value, as it appears in the audit log."""

    descriptions: ClassVar[dict[str, str]] = {
        "prefix": "The beginning of its value, as it appears in the audit log.",
        "permissions": "The permissions that it has.",
        "app_ids": "The apps that it is restricted to; null if it may use all.",
        "last_used_at": "Accurate to a minute.",
        "expires_at": "Null if it does not expire.",
    }

    id = fields.Integer()
    name = fields.String()
    prefix = fields.String()
    permissions = fields.List(fields.String())
    app_ids = fields.List(fields.Integer(), allow_none=True)
    created_at = DateTimeField()
    last_used_at = DateTimeField(allow_none=True)
    expires_at = DateTimeField(allow_none=True)
