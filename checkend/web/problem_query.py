"""Filters of the problem lists. They are query parameters, so that a filtered list can be bookmarked and shared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from werkzeug.datastructures import MultiDict

from checkend import clock
from checkend.db.search import MAX_SEARCH_LENGTH
from checkend.models.problem import RESOLVED, UNRESOLVED, ProblemFilter, Status
from checkend.models.tag import normalize_tag_name

PER_PAGE = 25
MAX_PAGE = 100_000
SINCE = {
    "24h": (timedelta(hours=24), "Last 24 hours"),
    "7d": (timedelta(days=7), "Last 7 days"),
    "30d": (timedelta(days=30), "Last 30 days"),
    "90d": (timedelta(days=90), "Last 90 days"),
}
SORTS = {"recent": "Last seen", "oldest": "Oldest", "notices": "Most notices"}
STATUSES: dict[str, Status | None] = {"unresolved": UNRESOLVED, "resolved": RESOLVED, "all": None}
DEFAULTS = {"status": "unresolved", "sort": "recent", "page": "1"}
NAMES = ("status", "search", "tags", "environment", "since", "date_from", "date_to", "min_notices", "sort")


@dataclass(slots=True)
class ProblemQuery:
    """A requested list of problems: the query parameters ``params``, and the filter and page number they stand for.

    ``errors`` contains a message for each invalid parameter; if there are any, the filter must not be used.
    """

    params: dict[str, str]
    filter: ProblemFilter = field(default_factory=ProblemFilter)
    page: int = 1
    errors: list[str] = field(default_factory=list)

    @property
    def is_filtered(self) -> bool:
        """Whether the list is filtered by anything but status."""
        return bool(self.params.keys() - {"status", "sort"})

    @property
    def truncated_search_length(self) -> int:
        """The number of characters that are searched for if the search text is longer than that; else 0."""
        return MAX_SEARCH_LENGTH if len(self.filter.search) > MAX_SEARCH_LENGTH else 0

    @property
    def has_extra_filters(self) -> bool:
        """Whether one of the fields under "More filters" is in use."""
        return not self.params.keys().isdisjoint({"tags", "environment", "date_from", "date_to", "min_notices"})

    def args(self, **changes: str | int | None) -> dict[str, str]:
        """Return the query parameters of this list with ``changes`` (None removes one), without default values."""
        merged = {**self.params, **changes}
        return {
            name: str(value) for name, value in merged.items() if value not in (None, "", DEFAULTS.get(name, object()))
        }


def read_query(args: "MultiDict[str, str]") -> ProblemQuery:
    """Parse the filter from query parameters; unknown ones are ignored."""
    values = {name: ",".join(args.getlist(name)).strip() for name in NAMES}
    query = ProblemQuery({name: value for name, value in values.items() if value})
    parser = _Parser(query.params, query.errors)
    since = parser.choice("since", {name: duration for name, (duration, _) in SINCE.items()}, None)
    starts = [parser.day("date_from", time.min), clock.now() - since if since else None]
    query.filter = ProblemFilter(
        status=parser.choice("status", STATUSES, UNRESOLVED),
        search=query.params.get("search", "").replace("\0", ""),
        tags=tuple(name for part in values["tags"].replace(",", " ").split() if (name := normalize_tag_name(part))),
        date_from=max((start for start in starts if start is not None), default=None),
        date_to=parser.day("date_to", time.max),
        min_notices=parser.number("min_notices", 0),
        environment=query.params.get("environment", ""),
        sort=parser.choice("sort", {name: name for name in SORTS}, "recent"),
    )
    query.page = min(_Parser({"page": args.get("page", "")}, query.errors).number("page", 1) or 1, MAX_PAGE)
    return query


class _Parser:
    """Parse single parameters. Invalid ones add a message to ``errors`` and yield the default."""

    def __init__(self, params: Mapping[str, str], errors: list[str]) -> None:
        self._params = params
        self._errors = errors

    def choice(self, name: str, choices: Mapping[str, Any], default: Any) -> Any:
        value = self._params.get(name)
        if not value:
            return default
        if value not in choices:
            self._errors.append(f"{name} must be one of {', '.join(choices)}.")
            return default
        return choices[value]

    def number(self, name: str, default: int) -> int:
        value = self._params.get(name)
        if not value:
            return default
        if not value.isascii() or not value.isdecimal() or len(value) > 9:
            self._errors.append(f"{name} must be a whole number, 0 or more.")
            return default
        return int(value)

    def day(self, name: str, edge: time) -> datetime | None:
        value = self._params.get(name)
        if not value:
            return None
        try:
            return datetime.combine(date.fromisoformat(value), edge, UTC)
        except ValueError:
            self._errors.append(f"{name} must be a date such as 2024-01-31.")
            return None
