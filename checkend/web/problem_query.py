"""The filter of a list of problems as it stands in the address, so that it can be shared, and what it asks for."""

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
SORTS = {"recent": "Last seen", "oldest": "Longest not seen", "notices": "Most notices"}
STATUSES: dict[str, Status | None] = {"unresolved": UNRESOLVED, "resolved": RESOLVED, "all": None}
DEFAULTS = {"status": "unresolved", "sort": "recent", "page": "1"}
NAMES = ("status", "search", "tags", "environment", "since", "date_from", "date_to", "min_notices", "sort")


@dataclass(slots=True)
class ProblemQuery:
    """A list of problems that was asked for: ``given`` as it was written, ``wanted`` what it means.

    ``faults`` holds a sentence for each part that cannot be read; then nothing may be found or done with it.
    """

    given: dict[str, str]
    wanted: ProblemFilter = field(default_factory=ProblemFilter)
    page: int = 1
    faults: list[str] = field(default_factory=list)

    @property
    def narrows(self) -> bool:
        """Whether anything but status and order was asked for."""
        return bool(self.given.keys() - {"status", "sort"})

    @property
    def searched_length(self) -> int:
        """How many characters of the search are searched for, where that is not all of it; else 0."""
        return MAX_SEARCH_LENGTH if len(self.wanted.search) > MAX_SEARCH_LENGTH else 0

    @property
    def more(self) -> int:
        """How many of the filters under "More filters" are in use; the period has a field of its own above them."""
        return len(self.given.keys() & {"tags", "environment", "date_from", "date_to", "min_notices"})

    def args(self, **changes: str | int | None) -> dict[str, str]:
        """The address's parameters for this list with ``changes`` (None leaves one out); defaults are not spelled."""
        merged = {**self.given, **changes}
        return {
            name: str(value) for name, value in merged.items() if value not in (None, "", DEFAULTS.get(name, object()))
        }


def read_query(args: "MultiDict[str, str]") -> ProblemQuery:
    """Read the filter from an address's parameters; what no filter is called is ignored."""
    given = {name: ",".join(args.getlist(name)).strip() for name in NAMES}
    query = ProblemQuery({name: value for name, value in given.items() if value})
    read = _Reader(query.given, query.faults)
    since = read.choice("since", {name: step for name, (step, _) in SINCE.items()}, None)
    query.wanted = ProblemFilter(
        status=read.choice("status", STATUSES, UNRESOLVED),
        search=query.given.get("search", "").replace("\0", ""),
        tags=tuple(name for part in given["tags"].replace(",", " ").split() if (name := normalize_tag_name(part))),
        date_from=_latest(read.day("date_from", time.min), clock.now() - since if since else None),
        date_to=read.day("date_to", time.max),
        min_notices=read.number("min_notices", 0),
        environment=query.given.get("environment", ""),
        sort=read.choice("sort", {name: name for name in SORTS}, "recent"),
    )
    query.page = min(_Reader({"page": args.get("page", "")}, query.faults).number("page", 1) or 1, MAX_PAGE)
    return query


def _latest(first: datetime | None, second: datetime | None) -> datetime | None:
    return max(first, second) if first and second else first or second


class _Reader:
    """Reads single parameters; notes a sentence for each that cannot be read, and goes on with its default."""

    def __init__(self, given: Mapping[str, str], faults: list[str]) -> None:
        self._given = given
        self._faults = faults

    def choice(self, name: str, choices: Mapping[str, Any], default: Any) -> Any:
        value = self._given.get(name)
        if not value:
            return default
        if value not in choices:
            self._faults.append(f"{name} must be one of {', '.join(choices)}.")
            return default
        return choices[value]

    def number(self, name: str, default: int) -> int:
        value = self._given.get(name)
        if not value:
            return default
        if not value.isascii() or not value.isdecimal() or len(value) > 9:
            self._faults.append(f"{name} must be a whole number, 0 or more.")
            return default
        return int(value)

    def day(self, name: str, edge: time) -> datetime | None:
        value = self._given.get(name)
        if not value:
            return None
        try:
            return datetime.combine(date.fromisoformat(value), edge, UTC)
        except ValueError:
            self._faults.append(f"{name} must be a date such as 2024-01-31.")
            return None
