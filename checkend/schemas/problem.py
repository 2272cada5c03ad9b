"""Problems, and the parameters of their list."""

from typing import Any

from marshmallow import Schema, fields, post_load, pre_load, validate
from werkzeug.datastructures import MultiDict

from checkend.models.problem import ProblemFilter
from checkend.schemas.base import Resource
from checkend.schemas.fields import Bound, Ids, Moment, WholeNumber
from checkend.schemas.page import PageQuery, take_page
from checkend.schemas.tag import TagSchema

MAX_COUNT = 2**53
MAX_TAGS = 100


def _one_of(*choices: str) -> validate.OneOf:
    return validate.OneOf(choices, error=f"must be one of {', '.join(choices)}.")


class ProblemSchema(Schema):
    """A problem with its tags, and the message of its latest stored notice: null when that came without one."""

    id = fields.Integer()
    app_id = fields.Integer()
    error_class = fields.String()
    error_message = fields.String()
    fingerprint = fields.String()
    status = fields.String()
    notices_count = fields.Integer()
    deduplicated_count = fields.Integer()
    first_noticed_at = Moment()
    last_noticed_at = Moment()
    resolved_at = Moment()
    created_at = Moment()
    updated_at = Moment()
    tags = fields.List(fields.Nested(TagSchema))


class ProblemQuery(PageQuery):
    """Which problems of an app, in which order, and which page of them."""

    aliases = ("tags[]",)

    status = fields.String(validate=_one_of("resolved", "unresolved", "all"))
    search = fields.String()
    tags = fields.List(fields.String(), validate=validate.Length(max=MAX_TAGS, error="must be at most {max} names."))
    date_from = Bound()
    date_to = Bound(end=True)
    min_notices = WholeNumber(least=0, most=MAX_COUNT)
    sort = fields.String(validate=_one_of("recent", "oldest", "notices"))

    @pre_load
    def _gather_tags(self, data: MultiDict[str, str], **_: Any) -> dict[str, Any]:
        names = [*data.getlist("tags"), *data.getlist("tags[]")]
        return {**data.to_dict(), "tags": [name for name in dict.fromkeys(names) if name.strip()]}

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data.get("status") == "all":
            del data["status"]
        return {"page": take_page(data), "wanted": ProblemFilter(**data | {"tags": tuple(data["tags"])})}


class ProblemIdsSchema(Resource):
    """Which problems are to be changed at once."""

    raw_names = True

    problem_ids = Ids(required=True)


class BulkResultSchema(Schema):
    """How many problems were marked, and that in words."""

    message = fields.String()
    count = fields.Integer()
