"""Channels, and what was delivered through them."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from checkend.models.level import LEVELS
from checkend.models.slugs import MAX_NAME_LENGTH
from checkend.schemas.base import Resource
from checkend.schemas.fields import BooleanField, DateTimeField, TextField

KINDS = tuple("webhook email slack discord teams google_chat telegram ntfy github gitlab apprise".split())
EVENTS = ("new_problem", "reoccurrence", "threshold", "spike", "unmuted")
MAX_ENVIRONMENTS = 50
MAX_INTERVAL_SECONDS = 86_400
SPIKE_OCCURRENCES = (2, 1_000_000)
SPIKE_MINUTES = (1, 60)

_EVENTS_ERROR = f"must be one of {', '.join(EVENTS)}."
_LEVEL_ERROR = f"must be one of {', '.join(LEVELS)}."


class DistinctList(fields.List[str]):
    """A list whose repeated items are dropped. An invalid item is reported once, by the name of the list."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "null": "must be a list.",
        "invalid": "must be a list.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> list[Any]:
        try:
            items = super()._deserialize(value, attr, data, **options)
        except ValidationError as error:
            if isinstance(error.messages, dict):  # by the item's index
                raise ValidationError(next(iter(error.messages.values()))) from None
            raise
        return list(dict.fromkeys(items))


def _whole_number(least: int, most: int) -> fields.Integer:
    error = f"must be a whole number from {least} to {most}."
    return fields.Integer(
        strict=True,
        validate=validate.Range(least, most, error=error),
        error_messages={"null": error, "invalid": error},
    )


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
    events = DistinctList(
        fields.String(
            validate=validate.OneOf(EVENTS, error=_EVENTS_ERROR),
            error_messages={"null": _EVENTS_ERROR, "invalid": _EVENTS_ERROR},
        ),
        validate=validate.Length(min=1, error=f"must contain at least one of {', '.join(EVENTS)}."),
    )
    environments = DistinctList(
        TextField(), validate=validate.Length(max=MAX_ENVIRONMENTS, error="must contain at most {max} names.")
    )
    min_level = fields.String(
        validate=validate.OneOf(LEVELS, error=_LEVEL_ERROR),
        error_messages={"null": _LEVEL_ERROR, "invalid": _LEVEL_ERROR},
    )
    min_interval_seconds = _whole_number(0, MAX_INTERVAL_SECONDS)
    spike_occurrences = _whole_number(*SPIKE_OCCURRENCES)
    spike_minutes = _whole_number(*SPIKE_MINUTES)
    config = fields.Dict(
        keys=fields.String(), error_messages={"invalid": "must be an object.", "null": "must be an object."}
    )
    secret_set = fields.Boolean(dump_only=True)
    last_delivered_at = DateTimeField(allow_none=True)
    last_failed_at = DateTimeField(allow_none=True)
    last_error = fields.String(dump_only=True, allow_none=True)
    created_at = DateTimeField()
    updated_at = DateTimeField()


class ChannelWithSecretSchema(ChannelSchema):
    """A webhook as the response that creates its signing secret shows it."""

    signing_secret = fields.String(dump_only=True, metadata={"optional": True})


class ChannelTestSchema(Schema):
    """What became of a test notification."""

    status = fields.String()
    detail = fields.String()


class DeliverySchema(Schema):
    """A delivery: a notification on its way to one receiver, or what became of it."""

    id = fields.Integer()
    event = fields.String()
    problem_id = fields.Integer(allow_none=True)
    status = fields.String()
    attempts = fields.Integer()
    next_attempt_at = DateTimeField(allow_none=True)
    last_status = fields.Integer(allow_none=True)
    last_error = fields.String(allow_none=True)
    created_at = DateTimeField()
    delivered_at = DateTimeField(allow_none=True)
