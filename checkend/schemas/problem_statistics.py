"""The facets and occurrences of a problem."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from marshmallow import Schema, fields, post_load, validate

from checkend import clock
from checkend.schemas.base import Query
from checkend.schemas.fields import DateBound, DateTimeField

INTERVALS = ("hour", "day")
# Without ``date_from``: as much as fits into one chart, and into one response.
_PERIODS = {"hour": timedelta(days=14), "day": timedelta(days=365)}


class FacetValueSchema(Schema):
    """A value of a facet, and the number of reports with it."""

    descriptions: ClassVar[dict[str, str]] = {
        "value": "Null for all values that are not counted individually.",
        "count": "The number of reports with it.",
    }

    value = fields.String(allow_none=True)
    count = fields.Integer()


class FacetsSchema(Schema):
    """The facets of a problem, each with its values."""

    descriptions: ClassVar[dict[str, str]] = {
        "environment": "The most frequent environments first.",
        "release": "The most frequent releases first.",
        "host": "The most frequent hosts first.",
        "user": "The most frequent users first.",
        "url": "The most frequent URLs first.",
    }

    environment = fields.List(fields.Nested(FacetValueSchema))
    release = fields.List(fields.Nested(FacetValueSchema))
    host = fields.List(fields.Nested(FacetValueSchema))
    user = fields.List(fields.Nested(FacetValueSchema))
    url = fields.List(fields.Nested(FacetValueSchema))


class OccurrencesSchema(Schema):
    """The number of occurrences in the hour or day that begins at ``at``."""

    descriptions: ClassVar[dict[str, str]] = {
        "at": "When the hour or day begins, in UTC.",
        "count": "Notices and duplicates.",
    }

    at = DateTimeField()
    count = fields.Integer()


class OccurrencesQuery(Query):
    """The length of an interval, and where to begin: by default 14 days ago for hours, 365 days ago for days."""

    descriptions: ClassVar[dict[str, str]] = {
        "interval": "By default hour.",
        "date_from": "By default 14 days ago for hours, 365 days ago for days.",
    }

    interval = fields.String(
        load_default="hour", validate=validate.OneOf(INTERVALS, error=f"must be one of {', '.join(INTERVALS)}.")
    )
    date_from = DateBound()

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        interval = data["interval"]
        since: datetime = data.get("date_from", clock.now() - _PERIODS[interval])
        beginning = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return {"interval": interval, "since": beginning.replace(hour=0) if interval == "day" else beginning}
