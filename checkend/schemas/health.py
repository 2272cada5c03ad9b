"""The health check."""

from typing import ClassVar

from marshmallow import Schema, fields

from checkend.schemas.fields import DateTimeField


class HealthSchema(Schema):
    """The state of the server, and its time."""

    descriptions: ClassVar[dict[str, str]] = {
        "status": "ok.",
        "timestamp": "The time of the server.",
    }

    status = fields.String()
    timestamp = DateTimeField()
