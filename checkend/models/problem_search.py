"""Conditions that problems meet if they match a search."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, not_, or_, select, true

from checkend import clock
from checkend.db.search import contains_text, fold
from checkend.models.app import App
from checkend.models.counters import ProblemFacet
from checkend.models.problem import RESOLVED, UNRESOLVED, Problem
from checkend.models.search_terms import NEW_HOURS, Term, parse_search, read_count, read_period
from checkend.models.tag import ProblemTag, Tag, normalize_tag_name

_FACETS = {"env": "environment", "release": "revision", "host": "host", "user": "user", "url": "url"}
# Of these, a problem has one value: several tokens are alternatives. Several of the others must all match.
_ALTERNATIVES = ("app", "level")


def matches_search(search: str) -> list[ColumnElement[bool]]:
    """Return the conditions that a problem meets if it matches all terms of ``search``. Raises `DomainError`."""
    return matches_terms(parse_search(search))


def matches_terms(terms: Sequence[Term]) -> list[ColumnElement[bool]]:
    """Return the conditions that a problem meets if it matches all of ``terms``."""
    conditions = []
    alternatives: dict[str, list[ColumnElement[bool]]] = defaultdict(list)
    # The longest text is probably the rarest: it is looked up, and the others are searched for in what that finds.
    texts = [term for term in terms if not term.name and not term.excludes]
    longest = max(texts, key=lambda term: len(term.value), default=None)
    for term in terms:
        if term.name in _ALTERNATIVES and not term.excludes:
            alternatives[term.name].append(matches_term(term))
        else:
            conditions.append(matches_term(term, look_up=term == longest))
    return [*conditions, *(or_(*choices) for choices in alternatives.values())]


def matches_term(term: Term, *, look_up: bool = True) -> ColumnElement[bool]:
    """Return the condition that a problem matches one term; a text is looked up in the index if ``look_up``."""
    if term.name:
        condition = _token(term)
    else:
        condition = contains_text(Problem.id, Problem.search_text, term.value, look_up=look_up)
    return not_(condition) if term.excludes else condition


def _token(term: Term) -> ColumnElement[bool]:
    if term.name in _FACETS:
        return has_facet(_FACETS[term.name], _matches(func.fold(ProblemFacet.value), term))
    match term.name:
        case "app":
            apps = select(App.id).where(or_(App.slug == fold(term.value), _matches(func.fold(App.name), term)))
            return Problem.app_id.in_(apps)
        case "class":
            return _matches(func.fold(Problem.error_class), term)
        case "tag":
            named = select(ProblemTag.problem_id).join(Tag, Tag.id == ProblemTag.tag_id)
            return Problem.id.in_(named.where(Tag.name == normalize_tag_name(term.value)))
        case "level":
            return func.coalesce(Problem.level, "") == term.value.lower()
        case "times":
            least, most = read_count(term.value)
            return (Problem.notices_count + Problem.deduplicated_count).between(least, most)
        case "first" | "last":
            period = read_period(term.value)
            column: Any = Problem.first_noticed_at if term.name == "first" else Problem.last_noticed_at
            bounds = [column >= period.start if period.start else true(), column < period.end if period.end else true()]
            return and_(*bounds)
        case _:
            return _state(term.value.lower())


def _state(name: str) -> ColumnElement[bool]:
    match name:
        case "new":
            return Problem.first_noticed_at >= clock.now() - timedelta(hours=NEW_HOURS)
        case "regressed":
            return Problem.regressed_at.is_not(None) & (Problem.status == UNRESOLVED)
        case "open":
            return (Problem.status == UNRESOLVED) & Problem.muted_at.is_(None)
        case "muted":
            return Problem.muted_at.is_not(None)
        case _:
            return Problem.status == RESOLVED


def _matches(folded: Any, term: Term) -> ColumnElement[bool]:
    """Return the condition that a case-folded text contains the value of a term, or is it if that is exact."""
    value = fold(term.value)
    return folded == value if term.exact else func.instr(folded, value) > 0


def has_facet(name: str, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a problem was reported with a value of the facet that meets ``condition``."""
    facets = select(ProblemFacet.problem_id).where(ProblemFacet.problem_id == Problem.id, ProblemFacet.name == name)
    return facets.where(condition).exists()
