"""Channels, and what was delivered through them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate

from checkend.models.level import LEVELS
from checkend.models.slugs import MAX_NAME_LENGTH
from checkend.schemas.base import Resource
from checkend.schemas.fields import BooleanField, DateTimeField, TextField, whole_number

KINDS = tuple("webhook email slack discord teams google_chat telegram ntfy github gitlab apprise".split())
EVENTS = ("new_problem", "reoccurrence", "threshold", "spike", "unmuted")
MAX_ENVIRONMENTS = 50
MAX_INTERVAL_SECONDS = 86_400
SPIKE_OCCURRENCES = (2, 1_000_000)
SPIKE_MINUTES = (1, 60)

_EVENTS_ERROR = f"must be one of {', '.join(EVENTS)}."
_NUMBER_ERROR = "must be a whole number from {least} to {most}."
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


class ChannelSchema(Resource):
    """A channel. ``config`` takes all settings of its kind; those that are secret are never shown again."""

    descriptions: ClassVar[dict[str, str]] = {
        "kind": "Cannot be changed.",
        "enabled": "True by default.",
        "events": "What it is notified of, at least one event; new_problem and reoccurrence by default.",
        "environments": "Only problems in these environments, in any case; an empty list, the default, for all.",
        "min_level": "Only reports of this level or a more severe one; debug by default.",
        "min_interval_seconds": "What comes sooner after a message is collected in a digest; 0 by default.",
        "spike_occurrences": "How many occurrences within spike_minutes are a spike; 100 by default.",
        "spike_minutes": "5 by default.",
        "config": (
            "The settings of its kind; responses lack those that are secret. An update replaces all that are not "
            "secret; secret ones that it lacks stay, and optional ones that are null are removed."
        ),
        "secret_set": "Whether it has secret settings.",
        "last_delivered_at": "When a message was last delivered.",
        "last_failed_at": "When an attempt last failed.",
        "last_error": "Why the last attempt failed; null if it succeeded.",
        "signing_secret": "Of a webhook: shown only in the responses that create it.",
    }

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
    min_interval_seconds = whole_number(0, MAX_INTERVAL_SECONDS, _NUMBER_ERROR)
    spike_occurrences = whole_number(*SPIKE_OCCURRENCES, _NUMBER_ERROR)
    spike_minutes = whole_number(*SPIKE_MINUTES, _NUMBER_ERROR)
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

    descriptions: ClassVar[dict[str, str]] = {
        "status": "delivered or failed.",
        "detail": "Why it failed, or what the receiver responded.",
    }

    status = fields.String()
    detail = fields.String()


class DeliverySchema(Schema):
    """A delivery: a notification on its way to one receiver, or what became of it."""

    descriptions: ClassVar[dict[str, str]] = {
        "event": "One of the channel's events, or digest.",
        "problem_id": "Null for a digest of several problems.",
        "status": (
            "pending; delivered; failed, if the receiver rejected it for good; gave_up, after the last attempt or "
            "when the channel was disabled."
        ),
        "attempts": "How often it was sent.",
        "next_attempt_at": "Null once the delivery has ended.",
        "last_status": "The status of the receiver's last response.",
        "last_error": "Why the last attempt failed.",
        "delivered_at": "When the receiver accepted it.",
    }

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
