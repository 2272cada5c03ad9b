"""Apps."""

from typing import ClassVar

from marshmallow import fields

from checkend.models.slugs import MAX_NAME_LENGTH
from checkend.schemas.base import Resource
from checkend.schemas.fields import BooleanField, DateTimeField, TextField


class AppSchema(Resource):
    """An app, without its ingestion key."""

    descriptions: ClassVar[dict[str, str]] = {
        "slug": "Made from the name, and never changed.",
        "environment": "Used for reports that do not state their environment.",
        "notify_on_new_problem": "Whether the app's channels are notified of new problems; true by default.",
        "notify_on_reoccurrence": (
            "Whether the app's channels are notified when a resolved problem occurs again; true by default."
        ),
        "unresolved_problems_count": "The number of unresolved problems, muted ones included.",
        "ingestion_key": "Shown only in the responses that create it.",
    }

    roots = ("app",)
    ignored = frozenset({"ingestion_key"})

    id = fields.Integer(dump_only=True)
    name = TextField(required=True, limit=MAX_NAME_LENGTH)
    slug = fields.String(dump_only=True)
    environment = TextField(allow_none=True)
    notify_on_new_problem = BooleanField()
    notify_on_reoccurrence = BooleanField()
    created_at = DateTimeField()
    updated_at = DateTimeField()
    unresolved_problems_count = fields.Integer(dump_only=True)


class AppWithKeySchema(AppSchema):
    """An app with its ingestion key, for the responses to requests that create the key."""

    ingestion_key = fields.String(dump_only=True)
