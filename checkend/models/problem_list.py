"""Lists of problems: filters, orders, counts, and the values that filters can have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, func, select
from sqlalchemy.orm import defer, joinedload, selectinload

from checkend import clock
from checkend.db.search import fold
from checkend.db.session import db
from checkend.models.app import App
from checkend.models.counters import OTHER_VALUES, ProblemFacet
from checkend.models.problem import RESOLVED, UNRESOLVED, Problem, Status
from checkend.models.problem_search import has_facet, matches_search, matches_terms
from checkend.models.scope import AppScope
from checkend.models.search_terms import Term, parse_search
from checkend.models.tag import ProblemTag, Tag, normalize_tag_name

MAX_EXPLAINED_TERMS = 10
MAX_COUNTED = 100


@dataclass(frozen=True, slots=True)
class ProblemFilter:
    """A filter and sort order for problems. Empty parts do not limit.

    Times are inclusive: ``date_from`` and ``date_to`` bound ``last_noticed_at``, the other two ``first_noticed_at``.
    ``regressed`` leaves the problems that a report has reopened. Of several tags or environments, a problem needs any
    one. Names of environments are compared in any case.
    """

    status: Status | None = None
    muted: bool | None = None
    regressed: bool = False
    search: str = ""
    tags: tuple[str, ...] = ()
    date_from: datetime | None = None
    date_to: datetime | None = None
    first_from: datetime | None = None
    first_to: datetime | None = None
    min_notices: int = 0
    environments: tuple[str, ...] = ()
    release: str = ""
    sort: Literal["recent", "oldest", "notices", "new", "users"] = "recent"

    @property
    def narrows_beyond_status(self) -> bool:
        """Return whether anything but the status and mutes excludes problems."""
        bounds = (self.date_from, self.date_to, self.first_from, self.first_to)
        seen_in = self.environments or self.release
        return bool(self.search or self.tags or any(bounds) or self.min_notices > 0 or seen_in or self.regressed)


# The users that are counted individually: at most 50 per problem, see `checkend.models.counters`.
_USERS = (
    select(func.count())
    .where(ProblemFacet.problem_id == Problem.id, ProblemFacet.name == "user", ProblemFacet.value != OTHER_VALUES)
    .correlate(Problem)
    .scalar_subquery()
)
_ORDERS: dict[str, tuple[Any, ...]] = {
    "recent": (Problem.last_noticed_at.desc(), Problem.id.desc()),
    "oldest": (Problem.last_noticed_at.asc(), Problem.id.asc()),
    "notices": (Problem.notices_count.desc(), Problem.id.desc()),
    "new": (Problem.first_noticed_at.desc(), Problem.id.desc()),
    "users": (_USERS.desc(), Problem.id.desc()),
}


def find_problems(scope: AppScope, filters: ProblemFilter) -> Select[tuple[Problem]]:
    """Select the problems of the apps in ``scope`` that match ``filters``, in its order, with their tags loaded."""
    statement = where_problems(select(Problem), scope, filters)
    return statement.options(selectinload(Problem.tags)).order_by(*_ORDERS[filters.sort])


def new_problems(scope: AppScope, since: datetime, limit: int) -> list[Problem]:
    """Return up to ``limit`` problems of the apps in ``scope`` first noticed at or after ``since`` and not muted.

    Newest first. They were last noticed since then too: that condition limits the rows that are read.
    """
    filters = ProblemFilter(date_from=since, first_from=since, muted=False, sort="new")
    statement = find_problems(scope, filters).options(defer(Problem.search_text), joinedload(Problem.app))
    return list(db.session.scalars(statement.limit(limit)))


def count_problems(scope: AppScope, filters: ProblemFilter) -> int:
    """Return how many problems `find_problems` selects.

    From the apps' counters, unless the filter narrows beyond status and mutes.
    """
    if filters.narrows_beyond_status:
        return db.session.scalar(where_problems(select(func.count()).select_from(Problem), scope, filters)) or 0
    if filters.muted and filters.status == RESOLVED:  # a resolved problem is never muted
        return 0
    columns: dict[Status | None, Any] = {
        None: App.problems_count,
        UNRESOLVED: App.unresolved_problems_count,
        RESOLVED: App.problems_count - App.unresolved_problems_count,
    }
    column = App.muted_problems_count if filters.muted else columns[filters.status]
    if filters.muted is False and filters.status != RESOLVED:
        column = column - App.muted_problems_count
    statement = select(func.coalesce(func.sum(column), 0))
    return db.session.scalar(scope.narrow(statement, App.id)) or 0


def where_problems(statement: Select[Any], scope: AppScope, filters: ProblemFilter) -> Select[Any]:
    """Limit ``statement``, which selects from problems, to those of the apps in ``scope`` that match ``filters``."""
    statement = scope.narrow(statement, Problem.app_id)
    if filters.status:
        statement = statement.where(Problem.status == filters.status)
    if filters.muted is not None:
        statement = statement.where(Problem.muted_at.is_not(None) if filters.muted else Problem.muted_at.is_(None))
    if filters.regressed:
        statement = statement.where(Problem.regressed_at.is_not(None))
    if filters.search:
        statement = statement.where(*matches_search(filters.search))
    if filters.tags:
        names = [normalize_tag_name(tag) for tag in filters.tags]
        tagged = select(ProblemTag.problem_id).join(Tag, Tag.id == ProblemTag.tag_id).where(Tag.name.in_(names))
        statement = statement.where(Problem.id.in_(tagged))
    bounds = (
        (Problem.last_noticed_at, filters.date_from, filters.date_to),
        (Problem.first_noticed_at, filters.first_from, filters.first_to),
    )
    for column, start, end in bounds:
        if start is not None:
            statement = statement.where(column >= start)
        if end is not None:
            statement = statement.where(column <= end)
    if filters.min_notices > 0:
        statement = statement.where(Problem.notices_count >= filters.min_notices)
    if filters.environments:
        folded = {fold(name) for name in filters.environments}
        statement = statement.where(has_facet("environment", func.fold(ProblemFacet.value).in_(folded)))
    if filters.release:
        statement = statement.where(has_facet("revision", ProblemFacet.value == filters.release))
    return statement


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a search finds nothing: the terms that match nothing, or those without one of which something matches."""

    impossible: tuple[str, ...] = ()
    conflicting: tuple[str, ...] = ()


def latest_occurrence(scope: AppScope) -> int:
    """Return when a problem of the apps in ``scope`` last occurred, in microseconds since 1970; 0 if there is none."""
    latest = db.session.scalar(scope.narrow(select(func.max(Problem.last_noticed_at)), Problem.app_id))
    return clock.to_micros(latest) if latest else 0


def change_marker(scope: AppScope) -> str:
    """Return a text that changes with reports, statuses and mutes in the apps of ``scope``.

    Reads counters and one index entry, not problems.
    """
    columns = (App.problems_count, App.unresolved_problems_count, App.muted_problems_count)
    numbers = db.session.execute(scope.narrow(select(*map(func.sum, columns)), App.id)).one()
    return "-".join(str(part or 0) for part in (latest_occurrence(scope), *numbers))


def count_since(scope: AppScope, filters: ProblemFilter, since: datetime) -> int:
    """Return how many problems that match ``filters`` occurred after ``since``, at most `MAX_COUNTED`."""
    statement = where_problems(select(Problem.id), scope, filters).where(Problem.last_noticed_at > since)
    return db.session.scalar(select(func.count()).select_from(statement.limit(MAX_COUNTED).subquery())) or 0


def explain_no_match(scope: AppScope, filters: ProblemFilter) -> Mismatch:
    """Return which terms of the search keep it from finding a problem that the rest of the filter leaves.

    Examines the first `MAX_EXPLAINED_TERMS` terms.
    """
    terms = parse_search(filters.search)
    candidates = where_problems(select(Problem.id), scope, replace(filters, search="")).limit(1)

    def is_found(some: Sequence[Term]) -> bool:
        return db.session.scalar(candidates.where(*matches_terms(some))) is not None

    if not is_found(()):
        return Mismatch()
    examined = terms[:MAX_EXPLAINED_TERMS]
    if impossible := tuple(term.written for term in examined if not is_found([term])):
        return Mismatch(impossible=impossible)
    others = ([other for other in terms if other != term] for term in examined)
    return Mismatch(
        conflicting=tuple(term.written for term, rest in zip(examined, others, strict=True) if is_found(rest))
    )


def tags_in_use(scope: AppScope, limit: int) -> list[str]:
    """Return up to ``limit`` names of tags that problems of the apps in ``scope`` have, by name."""
    used = select(ProblemTag.problem_id).where(ProblemTag.tag_id == Tag.id)
    if not scope.is_all:
        used = scope.narrow(used.join(Problem, Problem.id == ProblemTag.problem_id), Problem.app_id)
    return list(db.session.scalars(select(Tag.name).where(used.exists()).order_by(Tag.name).limit(limit)))


def count_tags(app: App) -> list[dict[str, Any]]:
    """Return ``id``, ``name`` and ``problems_count`` of the tags that problems of the app have, by name."""
    count = func.count().label("problems_count")
    statement = (
        select(Tag.id, Tag.name, count)
        .join(ProblemTag, ProblemTag.tag_id == Tag.id)
        .join(Problem, Problem.id == ProblemTag.problem_id)
        .where(Problem.app_id == app.id)
        .group_by(Tag.id, Tag.name)
    )
    return [dict(row) for row in db.session.execute(statement.order_by(Tag.name)).mappings()]


def environments_of(problem_ids: list[int]) -> list[str]:
    """Return the names of the environments that reported any of the problems, sorted."""
    environments = select(ProblemFacet.value).where(
        ProblemFacet.problem_id.in_(problem_ids), ProblemFacet.name == "environment", ProblemFacet.value != ""
    )
    return sorted(set(db.session.scalars(environments)))
