"""Problems, and the parameters of their list."""

from typing import Any

from marshmallow import Schema, fields, post_load, pre_load, validate
from werkzeug.datastructures import MultiDict

from checkend.models.problem import ProblemFilter
from checkend.schemas.base import Resource
from checkend.schemas.fields import BoundedInteger, DateBound, DateTimeField, IdList
from checkend.schemas.page import PageQuery, pop_page
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
    first_noticed_at = DateTimeField()
    last_noticed_at = DateTimeField()
    resolved_at = DateTimeField()
    created_at = DateTimeField()
    updated_at = DateTimeField()
    tags = fields.List(fields.Nested(TagSchema))


class ProblemQuery(PageQuery):
    """Which problems of an app, in which order, and which page of them."""

    aliases = ("tags[]",)

    status = fields.String(validate=_one_of("resolved", "unresolved", "all"))
    search = fields.String()
    tags = fields.List(fields.String(), validate=validate.Length(max=MAX_TAGS, error="must be at most {max} names."))
    date_from = DateBound()
    date_to = DateBound(end=True)
    min_notices = BoundedInteger(least=0, most=MAX_COUNT)
    sort = fields.String(validate=_one_of("recent", "oldest", "notices"))

    @pre_load
    def _gather_tags(self, data: MultiDict[str, str], **_: Any) -> dict[str, Any]:
        names = [*data.getlist("tags"), *data.getlist("tags[]")]
        return {**data.to_dict(), "tags": [name for name in dict.fromkeys(names) if name.strip()]}

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data.get("status") == "all":
            del data["status"]
        return {"page": pop_page(data), "wanted": ProblemFilter(**data | {"tags": tuple(data["tags"])})}


class ProblemIdsSchema(Resource):
    """Which problems are to be changed at once."""

    raw_names = True

    problem_ids = IdList(required=True)


class BulkResultSchema(Schema):
    """How many problems were marked, and that in words."""

    message = fields.String()
    count = fields.Integer()
