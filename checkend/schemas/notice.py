"""Notices, and the query parameters of their list."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, post_dump, post_load

from checkend.grouping.stacktrace import parse_stacktrace
from checkend.models.notice import NoticeFilter
from checkend.schemas.fields import DateBound, DateTimeField
from checkend.schemas.page import PageQuery, pop_page


class FrameSchema(Schema):
    """A frame of a backtrace. An unknown line is 0, an unknown method is "unknown", an unknown column is left out."""

    descriptions: ClassVar[dict[str, str]] = {
        "file": "The path or URL of the source file.",
        "line": "0 if unknown.",
        "method": "unknown if unknown.",
        "column": "Only if the report includes it.",
    }

    file = fields.String()
    line = fields.Integer()
    method = fields.String()
    column = fields.Integer(metadata={"optional": True})

    @post_dump
    def _leave_out_unknown_column(self, frame: dict[str, Any], **_: Any) -> dict[str, Any]:
        if not frame["column"]:
            del frame["column"]
        return frame


class NoticeSchema(Schema):
    """A notice. Parts that were not sent are empty; a message that was not sent is null."""

    descriptions: ClassVar[dict[str, str]] = {
        "error_class": "Up to 1,000 characters.",
        "error_message": "Null if none was sent.",
        "occurred_at": "When the error occurred.",
        "created_at": "When the report was received.",
        "updated_at": "As created_at: notices never change.",
        "context": "As sent, after scrubbing; {} if absent.",
        "request": "As sent, after scrubbing; {} if absent.",
        "user_info": "The user as sent, after scrubbing; {} if absent.",
        "notifier": "The SDK as sent; {} if absent.",
        "backtrace": "In the order sent; [] if absent.",
    }

    id = fields.Integer()
    problem_id = fields.Integer()
    error_class = fields.String()
    error_message = fields.String(allow_none=True)
    occurred_at = DateTimeField()
    created_at = DateTimeField()
    updated_at = DateTimeField()
    context = fields.Dict()
    request = fields.Dict()
    user_info = fields.Dict()
    notifier = fields.Dict()
    backtrace = fields.Function(
        lambda notice: FrameSchema(many=True).dump(parse_stacktrace(notice.raw_backtrace)),
        metadata={"items": FrameSchema},
    )


class NoticeQuery(PageQuery):
    """Query parameters of a list of notices."""

    descriptions: ClassVar[dict[str, str]] = {
        "date_from": "Notices that occurred at this date or time, or later.",
        "date_to": "Notices that occurred on this date, or at this time, or earlier.",
    }

    date_from = DateBound()
    date_to = DateBound(end=True)

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"page": pop_page(data), "filters": NoticeFilter(**data)}
