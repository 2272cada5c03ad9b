"""Filters of the problem lists. They are query parameters, so that a filtered list can be bookmarked and shared."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from marshmallow import ValidationError, fields
from marshmallow.validate import Range
from werkzeug.datastructures import MultiDict

from checkend import clock
from checkend.db.search import MAX_SEARCH_LENGTH
from checkend.models.problem_list import ProblemFilter
from checkend.models.search_terms import NEW_HOURS
from checkend.models.tag import normalize_tag_name
from checkend.schemas.base import format_error_messages
from checkend.schemas.fields import BoundedInteger
from checkend.schemas.problem import MAX_COUNT, ProblemFilterQuery, one_of, problem_filter

PER_PAGE = 25
MAX_PAGE = 100_000
SINCE = {
    "24h": (timedelta(hours=24), "Last 24 hours"),
    "7d": (timedelta(days=7), "Last 7 days"),
    "30d": (timedelta(days=30), "Last 30 days"),
    "90d": (timedelta(days=90), "Last 90 days"),
}
SORTS = {
    "recent": "Last seen",
    "new": "First seen",
    "oldest": "Oldest",
    "notices": "Most notices",
    "users": "Most users",
}
SEARCH_EXAMPLES = (
    ("total nil", "both words"),
    ('"for nil"', "exactly this text"),
    ("-timeout", "without this word; also before a token"),
    ("app:shop env:production", "reported by this app, in this environment; a part of the name is enough"),
    ("release:1.4.2 host:web-1", "reported from this release, by this host"),
    ("user:ada url:/cart", "by this user, at this URL"),
    ("class:TypeError tag:checkout", "of this class, with this tag"),
    ("level:error", "debug, info, warning, error or fatal"),
    ("is:new", "first seen in the last 24 hours; also is:regressed, is:open, is:muted, is:resolved"),
    ("first:>2026-11-20", "first seen after this date"),
    ("last:<7d", "last seen within seven days; m, h, d and w are minutes, hours, days and weeks"),
    ("times:>100", "more than 100 occurrences"),
)
TABS = {
    "new": "New",
    "regressed": "Regressed",
    "unresolved": "Open",
    "muted": "Muted",
    "resolved": "Resolved",
    "all": "All",
}
DEFAULTS = {"status": "unresolved", "sort": "recent", "page": "1"}
EXTRA_NAMES = ("tags", "environment", "release", "date_from", "date_to", "first_from", "first_to", "min_notices")
NAMES = ("status", "search", "since", "sort", *EXTRA_NAMES)


@dataclass(slots=True)
class ProblemQuery:
    """A requested list of problems: the query parameters ``params``, and the filter and page number they stand for.

    ``tab`` is one of `TABS`, and ``unlimited`` the filter without it. ``errors`` contains a message for each invalid
    parameter; if there are any, the filter must not be used.
    """

    params: dict[str, str]
    filter: ProblemFilter = field(default_factory=ProblemFilter)
    page: int = 1
    errors: list[str] = field(default_factory=list)
    tab: str = "unresolved"
    unlimited: ProblemFilter = field(default_factory=ProblemFilter)

    @property
    def is_filtered(self) -> bool:
        """Return whether the list is filtered by anything but status."""
        return bool(self.params.keys() - {"status", "sort"})

    @property
    def truncated_search_length(self) -> int:
        """The number of characters that are searched for if the search text is longer than that; else 0."""
        return MAX_SEARCH_LENGTH if len(self.filter.search) > MAX_SEARCH_LENGTH else 0

    @property
    def has_extra_filters(self) -> bool:
        """Return whether one of the fields under "More filters" is in use."""
        return not self.params.keys().isdisjoint(EXTRA_NAMES)

    def args(self, **changes: str | int | None) -> dict[str, str]:
        """Return the query parameters of this list with ``changes`` (None removes one), without default values."""
        merged = {**self.params, **changes}
        return {
            name: str(value) for name, value in merged.items() if value not in (None, "", DEFAULTS.get(name, object()))
        }


class _ListQuery(ProblemFilterQuery):
    """The API's filters, and those that only the dashboard offers. Invalid parameters do not hide the valid ones."""

    status = fields.String(load_default="unresolved", validate=one_of(*TABS))
    min_notices = BoundedInteger(
        minimum=0, maximum=MAX_COUNT, validate=Range(max=999_999_999, error="must be a whole number, 0 to 999,999,999.")
    )
    since = fields.String(validate=one_of(*SINCE))
    page = BoundedInteger(minimum=0, maximum=MAX_PAGE, load_default=1)


def read_query(args: "MultiDict[str, str]") -> ProblemQuery:
    """Parse the filter from query parameters; unknown ones are ignored."""
    params = {name: value for name in NAMES if (value := ",".join(args.getlist(name)).strip())}
    values = MultiDict((name, value) for name, value in params.items() if name != "tags")
    for name in params.get("tags", "").replace(",", " ").split():
        values.add("tags", normalize_tag_name(name))
    if args.get("page"):
        values["page"] = args["page"]
    schema, errors = _ListQuery(), []
    try:
        data = schema.load(values)
    except ValidationError as error:
        data, errors = dict(error.valid_data or {}), format_error_messages(schema, error)
    page, since = max(data.pop("page", 1), 1), data.pop("since", None)
    if since:
        start = clock.now() - SINCE[since][0]
        data["date_from"] = max(data.get("date_from", start), start)
    tab = data.pop("status", "unresolved")
    unlimited = problem_filter(data)
    return ProblemQuery(params, of_tab(unlimited, tab), page, errors, tab, unlimited)


def of_tab(filters: ProblemFilter, tab: str) -> ProblemFilter:
    """Return ``filters`` limited to the problems on a tab."""
    match tab:
        case "new":
            start = clock.now() - timedelta(hours=NEW_HOURS)
            first_from = max(filters.first_from, start) if filters.first_from else start
            return replace(filters, status="unresolved", muted=False, first_from=first_from)
        case "regressed":
            return replace(filters, status="unresolved", muted=False, regressed=True)
        case "unresolved" | "muted":  # muted problems are unresolved, but have a tab of their own
            return replace(filters, status="unresolved", muted=tab == "muted")
        case "resolved":
            return replace(filters, status="resolved")
        case _:
            return filters
