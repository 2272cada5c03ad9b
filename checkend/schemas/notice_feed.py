"""The notice feed: stored notices, oldest first."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, post_load

from checkend.schemas.base import Query
from checkend.schemas.fields import BoundedInteger
from checkend.schemas.problem import ProblemSchema

MAX_WAIT = 25  # seconds; less than the 30 s after which proxies and clients time out
MAX_CURSOR = 2**53


class FeedEntrySchema(Schema):
    """A stored notice: its id, and its problem."""

    descriptions: ClassVar[dict[str, str]] = {
        "notice_id": "The notice's id.",
        "problem": "The notice's problem.",
    }

    notice_id = fields.Integer(attribute="id")
    problem = fields.Nested(ProblemSchema)


class NoticeFeedSchema(Schema):
    """Notices, and the cursor for the next request."""

    descriptions: ClassVar[dict[str, str]] = {
        "data": "The notices stored since the cursor, oldest first, up to 100.",
        "cursor": "Send it as after in the next request.",
    }

    data = fields.List(fields.Nested(FeedEntrySchema))
    cursor = fields.Integer()


class NoticeFeedQuery(Query):
    """The cursor to continue after, and for how many seconds to wait if there is no newer notice."""

    descriptions: ClassVar[dict[str, str]] = {
        "after": "The cursor of an earlier response; without it, the response is empty and has the current cursor.",
        "wait": "Seconds to wait for a notice if there is none yet, up to 25; 0 by default.",
    }

    after = BoundedInteger(minimum=0, maximum=MAX_CURSOR, load_default=None)
    wait = BoundedInteger(minimum=0, maximum=MAX_WAIT, load_default=0)

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"after": data["after"], "seconds": data["wait"]}
