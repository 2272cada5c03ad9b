"""Entries of the audit log, and the query parameters of their list: the API's and the dashboard's."""

from typing import Any

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
    """The actor of an audit entry: a user, api_key, command_line or anonymous. Only the first two have an id."""

    kind = fields.String()
    id = fields.Integer(allow_none=True)
    label = fields.String()


class AuditTargetSchema(Schema):
    """The record that was changed, under the name that it had. What is no single record has no id."""

    kind = fields.String(allow_none=True)
    id = fields.Integer(allow_none=True)
    label = fields.String()


class AuditEntrySchema(Schema):
    """An entry of the audit log: who did what to which record, from where and when.

    ``details`` depend on the event; a record in them is an object with kind, id and label.
    """

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

    event = fields.String(validate=_is_event, metadata={"description": "An event, or a group such as problem."})
    actor = fields.String(metadata={"description": _RECORD.format("user")})
    target = fields.String(metadata={"description": _RECORD.format("team")})
    app = fields.String(metadata={"description": "Slug or numeric id of an app; a deleted one has only its id."})
    date_from = DateBound()
    date_to = DateBound(end=True)
    before = BoundedInteger(
        minimum=0, maximum=MAX_ID, metadata={"description": "Only entries with a smaller id than this."}
    )


class AuditQuery(AuditFilterQuery, PageQuery):
    """Query parameters of the API's list of entries."""

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"page": pop_page(data), "app": data.pop("app", ""), "filters": AuditFilter(**data)}
