"""Channels, and what was delivered through them."""

from marshmallow import Schema, fields, validate

from checkend.models.slugs import MAX_NAME_LENGTH
from checkend.schemas.base import Resource
from checkend.schemas.fields import BooleanField, BoundedInteger, DateTimeField, TextField

KINDS = ("webhook", "email", "slack", "discord", "teams", "google_chat", "telegram", "ntfy")
EVENTS = ("new_problem", "reoccurrence")
MAX_ENVIRONMENTS = 50
MAX_INTERVAL_SECONDS = 86_400


class ChannelSchema(Resource):
    """A channel. ``config`` takes all settings of its kind; those that are secret are never shown again."""

    roots = ("channel",)

    id = fields.Integer(dump_only=True)
    app_id = fields.Integer(dump_only=True)
    kind = fields.String(
        required=True,
        validate=validate.OneOf(KINDS, error=f"must be one of {', '.join(KINDS)}."),
        error_messages={"required": "can't be blank.", "null": "can't be blank.", "invalid": "must be text."},
    )
    name = TextField(required=True, limit=MAX_NAME_LENGTH)
    enabled = BooleanField()
    events = fields.List(
        fields.String(validate=validate.OneOf(EVENTS, error=f"must be one of {', '.join(EVENTS)}.")),
        validate=validate.Length(min=1, error=f"must contain at least one of {', '.join(EVENTS)}."),
        error_messages={"invalid": "must be a list.", "null": "must be a list."},
    )
    environments = fields.List(
        TextField(),
        validate=validate.Length(max=MAX_ENVIRONMENTS, error="must contain at most {max} names."),
        error_messages={"invalid": "must be a list.", "null": "must be a list."},
    )
    min_interval_seconds = BoundedInteger(minimum=0, maximum=MAX_INTERVAL_SECONDS)
    config = fields.Dict(
        keys=fields.String(), error_messages={"invalid": "must be an object.", "null": "must be an object."}
    )
    secret_set = fields.Boolean(dump_only=True)
    last_delivered_at = DateTimeField()
    last_failed_at = DateTimeField()
    last_error = fields.String(dump_only=True)
    created_at = DateTimeField()
    updated_at = DateTimeField()


class ChannelWithSecretSchema(ChannelSchema):
    """A webhook as the response that creates its signing secret shows it."""

    signing_secret = fields.String(dump_only=True)


class ChannelTestSchema(Schema):
    """What became of a test notification."""

    status = fields.String()
    detail = fields.String()


class DeliverySchema(Schema):
    """A delivery: a notification on its way to one receiver, or what became of it."""

    id = fields.Integer()
    event = fields.String()
    problem_id = fields.Integer()
    status = fields.String()
    attempts = fields.Integer()
    next_attempt_at = DateTimeField()
    last_status = fields.Integer()
    last_error = fields.String()
    created_at = DateTimeField()
    delivered_at = DateTimeField()
