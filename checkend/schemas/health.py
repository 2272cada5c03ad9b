"""Health."""

from marshmallow import Schema, fields

from checkend.schemas.fields import DateTimeField


class HealthSchema(Schema):
    """Whether the server can do its work, and its time."""

    status = fields.String()
    timestamp = DateTimeField()
