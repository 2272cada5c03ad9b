"""Problems, and the query parameters of their lists: the API's and the dashboard's."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, post_load, pre_load, validate
from werkzeug.datastructures import MultiDict

from checkend.config.urls import public_url
from checkend.exceptions import DomainError
from checkend.models.problem import Problem
from checkend.models.problem_list import ProblemFilter
from checkend.models.search_terms import parse_search
from checkend.schemas.base import Query, Resource
from checkend.schemas.fields import BooleanField, BoundedInteger, DateBound, DateTimeField, IdList, TextField
from checkend.schemas.page import PageQuery, pop_page
from checkend.schemas.tag import TagSchema

MAX_COUNT = 2**53  # JSON clients that use floating point cannot represent larger integers exactly
MAX_VALUES = 100  # of a parameter that can be repeated


def one_of(*choices: str) -> validate.OneOf:
    """Return a validator that accepts only ``choices``."""
    return validate.OneOf(choices, error=f"must be one of {', '.join(choices)}.")


IS_STATUS = one_of("resolved", "unresolved", "all")


class UrlField(fields.Field[str]):
    """The URL of the problem's page in the dashboard; null where the server does not know its own URL."""

    _CHECK_ATTRIBUTE = False  # no attribute of the problem

    def _serialize(self, value: Any, attr: str | None, obj: Problem, **_: Any) -> str | None:
        url = public_url()
        return f"{url}/problems/{obj.id}" if url else None


class ProblemSchema(Schema):
    """A problem with its tags. The message is that of its latest stored notice: null if that was sent without one."""

    descriptions: ClassVar[dict[str, str]] = {
        "error_class": "Up to 500 characters.",
        "error_message": "The message of the latest stored notice, up to 2,000 characters; null if it has none.",
        "url": "Its page in the dashboard.",
        "fingerprint": "Identifies the problem within the app.",
        "culprit": "The code location that the problem is attributed to; null without a stack trace.",
        "level": "That of the latest stored notice; null until one is stored after an upgrade.",
        "status": "unresolved or resolved; a new report reopens a resolved problem.",
        "notices_count": "Notices stored so far, including those that retention has removed.",
        "deduplicated_count": "Duplicates, which are counted but not stored.",
        "first_noticed_at": "When it first occurred.",
        "last_noticed_at": "When it last occurred.",
        "resolved_at": "Null while it is unresolved.",
        "regressed_at": "When a report last reopened it.",
        "muted": "Whether it is muted.",
        "muted_until": "When the mute ends, if it ends at a time.",
        "mute_reason": "Why it is muted.",
        "environments": "The environments that it was reported in, by name.",
        "first_release": "Of the releases that it was reported in, the one that the app reported from first.",
        "last_release": "Of the releases that it was reported in, the one that the app reported from last.",
        "tags": "Sorted by name.",
    }

    id = fields.Integer()
    app_id = fields.Integer()
    url = UrlField(allow_none=True)
    error_class = fields.String()
    error_message = fields.String(allow_none=True)
    fingerprint = fields.String()
    culprit = fields.String(allow_none=True)
    level = fields.String(allow_none=True)
    status = fields.String()
    notices_count = fields.Integer()
    deduplicated_count = fields.Integer()
    first_noticed_at = DateTimeField()
    last_noticed_at = DateTimeField()
    resolved_at = DateTimeField(allow_none=True)
    regressed_at = DateTimeField(allow_none=True)
    muted = fields.Boolean()
    muted_until = DateTimeField(allow_none=True)
    mute_reason = fields.String(allow_none=True)
    created_at = DateTimeField()
    updated_at = DateTimeField()
    environments = fields.List(fields.String())
    first_release = fields.String(allow_none=True)
    last_release = fields.String(allow_none=True)
    tags = fields.List(fields.Nested(TagSchema))


class SearchField(fields.String):
    """A search in the query language of `checkend.models.search_terms`."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        search = str(super()._deserialize(value, attr, data, **options)).replace("\0", "")  # ends a text in SQLite
        try:
            parse_search(search)
        except DomainError as error:
            raise ValidationError([f"is invalid: {message}" for message in error.messages]) from None
        return search


def _names() -> "fields.List[Any]":
    """Return a field for a parameter that can be repeated."""
    return fields.List(fields.String(), validate=validate.Length(max=MAX_VALUES, error="must be at most {max} names."))


class ProblemFilterQuery(Query):
    """Query parameters that filter and sort a list of problems, in the API and in the dashboard."""

    descriptions: ClassVar[dict[str, str]] = {
        "status": "By default all.",
        "muted": "true for muted problems only, false for the others.",
        "search": (
            "Words, each of which occurs in the class, the first or latest message, the culprit or a tag, in any case; "
            '"phrases"; -excluded words; and tokens such as env:production, is:regressed or last:<7d. The first 200 '
            "characters are used."
        ),
        "tags": "Problems with any of these tags: tags=a&tags=b or tags[]=a&tags[]=b, up to 100.",
        "environment": "Problems reported in any of these environments, in any case; repeatable, up to 100.",
        "release": "Problems reported in exactly this release.",
        "date_from": "Problems that last occurred at this date or time, or later.",
        "date_to": "Problems that last occurred on this date, or at this time, or earlier.",
        "first_from": "Problems that first occurred at this date or time, or later.",
        "first_to": "Problems that first occurred on this date, or at this time, or earlier.",
        "min_notices": "The smallest number of notices.",
        "sort": (
            "recent (default) or oldest, both by last_noticed_at; new, the latest first_noticed_at first; notices, the "
            "highest notices_count first; or users, the most users first, of whom up to 50 per problem are counted."
        ),
    }

    aliases: ClassVar[tuple[str, ...]] = ("tags[]", "environment[]")

    status = fields.String(validate=IS_STATUS)
    muted = BooleanField()
    search = SearchField()
    tags = _names()
    environment = _names()
    release = fields.String()
    date_from = DateBound()
    date_to = DateBound(end=True)
    first_from = DateBound()
    first_to = DateBound(end=True)
    min_notices = BoundedInteger(minimum=0, maximum=MAX_COUNT)
    sort = fields.String(validate=one_of("recent", "oldest", "notices", "new", "users"))

    @pre_load
    def _gather_names(self, data: MultiDict[str, str], **_: Any) -> dict[str, Any]:
        """Collect the values of the parameters that can be repeated, without blank ones."""
        lists = [name for name, field in self.fields.items() if isinstance(field, fields.List)]
        values = {name: dict.fromkeys([*data.getlist(name), *data.getlist(f"{name}[]")]) for name in lists}
        return data.to_dict() | {name: [one for one in given if one.strip()] for name, given in values.items()}


class ProblemQuery(ProblemFilterQuery, PageQuery):
    """Query parameters of the API's list of an app's problems."""

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"page": pop_page(data), "filters": problem_filter(data)}


class AllProblemsQuery(ProblemFilterQuery, PageQuery):
    """Query parameters of the API's list of problems across apps. ``app`` is a slug or an id, and can be repeated."""

    descriptions: ClassVar[dict[str, str]] = {
        "app": "Problems of any of these apps: app=shop&app=blog, up to 100. By default, of all apps."
    }
    aliases = (*ProblemFilterQuery.aliases, "app[]")

    app = _names()

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"page": pop_page(data), "apps": data.pop("app"), "filters": problem_filter(data)}


def problem_filter(data: dict[str, Any]) -> ProblemFilter:
    """Return the filter for the loaded parameters ``data``; those that are missing do not filter."""
    values = {name: value for name, value in data.items() if name != "status" or value != "all"}
    environments = tuple(values.pop("environment", ()))
    return ProblemFilter(**values | {"tags": tuple(values.get("tags", ())), "environments": environments})


class ProblemIdsSchema(Resource):
    """The problems of a bulk action."""

    descriptions: ClassVar[dict[str, str]] = {
        "problem_ids": "Ids that do not belong to a problem of the app are ignored.",
    }

    raw_names = True

    problem_ids = IdList(required=True)


class TagProblemsSchema(ProblemIdsSchema):
    """The problems to tag or untag, and the name of the tag."""

    descriptions: ClassVar[dict[str, str]] = {
        "problem_ids": "Ids that do not belong to a problem of the app are ignored.",
        "tag": "The tag's name.",
    }

    tag = TextField(required=True)


class BulkResultSchema(Schema):
    """The result of a bulk action: the number of problems, and a message that states it."""

    descriptions: ClassVar[dict[str, str]] = {
        "message": "What was done, as a sentence.",
        "count": "The number of the app's problems among the ids.",
    }

    message = fields.String()
    count = fields.Integer()
