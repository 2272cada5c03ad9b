"""Apps."""

from marshmallow import fields

from checkend.models.rules import MAX_NAME
from checkend.schemas.base import Resource
from checkend.schemas.fields import Flag, Moment, Text


class AppSchema(Resource):
    """An app. Its ingestion key is not part of it."""

    roots = ("app",)
    ignored = frozenset({"ingestion_key"})

    id = fields.Integer(dump_only=True)
    name = Text(required=True, limit=MAX_NAME)
    slug = fields.String(dump_only=True)
    environment = Text(allow_none=True)
    notify_on_new_problem = Flag()
    notify_on_reoccurrence = Flag()
    created_at = Moment()
    updated_at = Moment()
    unresolved_problems_count = fields.Integer(dump_only=True)


class AppWithKeySchema(AppSchema):
    """An app as the answer that makes its ingestion key shows it, with the key."""

    ingestion_key = fields.String(dump_only=True)
