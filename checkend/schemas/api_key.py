"""API keys."""

from marshmallow import Schema, fields

from checkend.schemas.fields import DateTimeField


class ApiKeySchema(Schema):
    """An API key, without its value. ``prefix`` is the beginning of the value, as it appears in the audit log.

    ``app_ids`` are the apps that it is restricted to; null if it may use all.
    """

    id = fields.Integer()
    name = fields.String()
    prefix = fields.String()
    permissions = fields.List(fields.String())
    app_ids = fields.List(fields.Integer(), allow_none=True)
    created_at = DateTimeField()
    last_used_at = DateTimeField(allow_none=True)
    expires_at = DateTimeField(allow_none=True)
