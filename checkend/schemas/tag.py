"""Tags."""

from marshmallow import fields

from checkend.schemas.base import Resource
from checkend.schemas.fields import TextField


class TagSchema(Resource):
    """A tag. The model validates its name."""

    roots = ("tag",)

    id = fields.Integer(dump_only=True)
    name = TextField(required=True)
