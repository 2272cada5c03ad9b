"""Tags."""

from typing import ClassVar

from marshmallow import Schema, fields

from checkend.schemas.base import Resource
from checkend.schemas.fields import TextField


class TagSchema(Resource):
    """A tag. The model validates its name."""

    descriptions: ClassVar[dict[str, str]] = {
        "name": "1 to 50 characters from a-z, 0-9, - and _. It is trimmed and converted to lowercase.",
    }

    roots = ("tag",)

    id = fields.Integer(dump_only=True)
    name = TextField(required=True)


class CountedTagSchema(Schema):
    """A tag, and the number of an app's problems that have it."""

    descriptions: ClassVar[dict[str, str]] = {
        "problems_count": "The number of the app's problems that have it.",
    }

    id = fields.Integer()
    name = fields.String()
    problems_count = fields.Integer()
