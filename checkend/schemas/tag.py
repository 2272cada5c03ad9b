"""Tags."""

from marshmallow import Schema, fields

from checkend.schemas.base import Resource
from checkend.schemas.fields import TextField


class TagSchema(Resource):
    """A tag. The model validates its name."""

    roots = ("tag",)

    id = fields.Integer(dump_only=True)
    name = TextField(required=True)


class CountedTagSchema(Schema):
    """A tag, and the number of an app's problems that have it."""

    id = fields.Integer()
    name = fields.String()
    problems_count = fields.Integer()
