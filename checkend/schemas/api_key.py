"""API keys."""

from marshmallow import Schema, fields

from checkend.schemas.fields import DateTimeField


class ApiKeySchema(Schema):
    """An API key, without its value. ``prefix`` is the beginning of the value, as it appears in the audit log."""

    id = fields.Integer()
    name = fields.String()
    prefix = fields.String()
    permissions = fields.List(fields.String())
    created_at = DateTimeField()
    last_used_at = DateTimeField(allow_none=True)
    expires_at = DateTimeField(allow_none=True)
