"""The health check."""

from marshmallow import Schema, fields

from checkend.schemas.fields import DateTimeField


class HealthSchema(Schema):
    """The state of the server, and its time."""

    status = fields.String()
    timestamp = DateTimeField()
