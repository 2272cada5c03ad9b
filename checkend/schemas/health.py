"""Health."""

from marshmallow import Schema, fields

from checkend.schemas.fields import Moment


class HealthSchema(Schema):
    """Whether the server can do its work, and its time."""

    status = fields.String()
    timestamp = Moment()
