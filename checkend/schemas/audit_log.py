"""Entries of the audit log, and the query parameters of their list: the API's and the dashboard's."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, post_load

from checkend.models.audit_events import GROUPS, SENTENCES
from checkend.models.audit_query import AuditFilter
from checkend.schemas.base import Query
from checkend.schemas.fields import BoundedInteger, DateBound, DateTimeField
from checkend.schemas.page import PageQuery, pop_page

MAX_ID = 2**53
_RECORD = "A kind, such as {0}; a kind and an id, such as {0}:3; or a part of the label."


def _is_event(value: str) -> None:
    if value not in SENTENCES and value not in GROUPS:
        raise ValidationError("must be an event, such as problem.resolved, or a group of them, such as problem.")


class AuditActorSchema(Schema):
    """The actor of an entry in the audit log."""

    descriptions: ClassVar[dict[str, str]] = {
        "kind": "user, api_key, command_line or anonymous.",
        "id": "Null for command_line and anonymous.",
        "label": "The email address of a user; the name and prefix of an API key.",
    }

    kind = fields.String()
    id = fields.Integer(allow_none=True)
    label = fields.String()


class AuditTargetSchema(Schema):
    """The record that an entry in the audit log is about."""

    descriptions: ClassVar[dict[str, str]] = {
        "kind": "user, api_key, team, app, channel, invitation, problem, problems, or null.",
        "id": "Null if it is not a single record.",
        "label": "The name that it had.",
    }

    kind = fields.String(allow_none=True)
    id = fields.Integer(allow_none=True)
    label = fields.String()


class AuditEntrySchema(Schema):
    """An entry of the audit log: who did what to which record, from where and when.

    ``details`` depend on the event; a record in them is an object with kind, id and label.
    """

    descriptions: ClassVar[dict[str, str]] = {
        "id": "Numeric id, higher than those of all earlier entries.",
        "at": "When it happened.",
        "event": "What happened, such as problem.resolved.",
        "actor": "Who did it.",
        "client_ip": "Where the request came from; null on the command line.",
        "target": "The record that was changed.",
        "app_id": "Id of the app that the record is or belongs to; null if it belongs to none or several.",
        "details": "Depends on the event. A record in it is an object with kind, id and label.",
        "request_id": "X-Request-Id of the request; null on the command line.",
    }

    id = fields.Integer()
    at = DateTimeField()
    event = fields.String()
    actor = fields.Nested(AuditActorSchema)
    client_ip = fields.String(allow_none=True)
    target = fields.Nested(AuditTargetSchema)
    app_id = fields.Integer(allow_none=True)
    details = fields.Dict()
    request_id = fields.String(allow_none=True)


class AuditFilterQuery(Query):
    """Query parameters that filter the audit log, in the API and in the dashboard."""

    descriptions: ClassVar[dict[str, str]] = {
        "event": "An event such as problem.resolved, or a group of them such as problem.",
        "actor": _RECORD.format("user"),
        "target": _RECORD.format("team"),
        "app": "Slug or numeric id of an app; a deleted one has only its id.",
        "date_from": "Entries of this date or time, or later.",
        "date_to": "Entries of this date, or at this time, or earlier.",
        "before": "Entries with a smaller id. To read on while entries are added, pass the last id that was read.",
    }

    event = fields.String(validate=_is_event)
    actor = fields.String()
    target = fields.String()
    app = fields.String()
    date_from = DateBound()
    date_to = DateBound(end=True)
    before = BoundedInteger(minimum=0, maximum=MAX_ID)


class AuditQuery(AuditFilterQuery, PageQuery):
    """Query parameters of the API's list of entries."""

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"page": pop_page(data), "app": data.pop("app", ""), "filters": AuditFilter(**data)}
