"""Reports in the order in which they were stored."""

from typing import Any

from marshmallow import Schema, fields, post_load

from checkend.schemas.base import Query
from checkend.schemas.fields import BoundedInteger
from checkend.schemas.problem import ProblemSchema

MAX_WAIT = 25  # under the 30 s after which proxies and clients begin to give up
MAX_CURSOR = 2**53


class FeedEntrySchema(Schema):
    """A stored report: its notice's id and its problem."""

    notice_id = fields.Integer(attribute="id")
    problem = fields.Nested(ProblemSchema)


class NoticeFeedSchema(Schema):
    """Reports, and the cursor to go on from."""

    data = fields.List(fields.Nested(FeedEntrySchema))
    cursor = fields.Integer()


class NoticeFeedQuery(Query):
    """From where, and for how many seconds to wait when there is nothing yet."""

    after = BoundedInteger(least=0, most=MAX_CURSOR, load_default=None)
    wait = BoundedInteger(least=0, most=MAX_WAIT, load_default=0)

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"after": data["after"], "seconds": data["wait"]}
