"""Apps."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, fields

from checkend.config import MAX_RETENTION_DAYS, MAX_RETENTION_NOTICES
from checkend.grouping.fingerprint import RULES
from checkend.models.slugs import MAX_NAME_LENGTH
from checkend.schemas.base import Resource
from checkend.schemas.fields import BooleanField, DateTimeField, TextField, whole_number

_RETENTION_ERROR = "must be a whole number from {least} to {most:,}, or null."
_RULE_ERROR = f"must be a list of any of {', '.join(RULES)}."


class GroupingRules(fields.Field[str]):
    """A list of names of grouping rules, which the model keeps as text with spaces in between."""

    default_error_messages = {"null": _RULE_ERROR, "invalid": _RULE_ERROR}  # noqa: RUF012 - as marshmallow declares it

    def _serialize(self, value: str | None, attr: str | None, obj: Any, **_: Any) -> list[str]:
        disabled = (value or "").split()
        return [rule for rule in RULES if rule in disabled]

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not isinstance(value, list) or any(rule not in tuple(RULES) for rule in value):
            raise self.make_error("invalid")
        return " ".join(rule for rule in RULES if rule in value)


class AppSchema(Resource):
    """An app, without its ingestion key."""

    descriptions: ClassVar[dict[str, str]] = {
        "slug": "Made from the name, and never changed.",
        "environment": "Used for reports that do not state their environment.",
        "notify_on_new_problem": "Whether the app's channels are notified of new problems; true by default.",
        "notify_on_reoccurrence": (
            "Whether the app's channels are notified when a resolved problem occurs again; true by default."
        ),
        "retention_days": "Days to keep notices; 0 keeps them forever, null means as the server's setting says.",
        "retention_notices": "Notices to keep per problem; 0 keeps all, null means as the server's setting says.",
        "disabled_grouping_rules": f"The rules of grouping that are turned off, any of {', '.join(RULES)}.",
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
    retention_days = whole_number(0, MAX_RETENTION_DAYS, _RETENTION_ERROR, allow_none=True)
    retention_notices = whole_number(0, MAX_RETENTION_NOTICES, _RETENTION_ERROR, allow_none=True)
    disabled_grouping_rules = GroupingRules(attribute="grouping_off")
    created_at = DateTimeField()
    updated_at = DateTimeField()
    unresolved_problems_count = fields.Integer(dump_only=True)


class AppWithKeySchema(AppSchema):
    """An app with its ingestion key, for the responses to requests that create the key."""

    ingestion_key = fields.String(dump_only=True)


class TestErrorSchema(Schema):
    """What became of a test error."""

    descriptions: ClassVar[dict[str, str]] = {
        "id": "The notice: its own, or the one that it is a duplicate of.",
        "problem_id": "Id of the problem.",
        "deduplicated": "Whether it was counted as a duplicate.",
    }

    id = fields.Integer()
    problem_id = fields.Integer()
    deduplicated = fields.Boolean()
