"""Facets and occurrences of a problem: /api/v1/apps/:app_id/problems/:problem_id/facets and /occurrences."""

from datetime import datetime
from typing import Any

from flask import Blueprint

from checkend.api.decorators import query, response
from checkend.api.lookups import with_problem
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.models import Problem
from checkend.models.counters import FACETS, days_of_problems, facets_of, hours_of_problem
from checkend.schemas.problem_statistics import FacetsSchema, OccurrencesQuery, OccurrencesSchema

bp = Blueprint("problem_statistics", __name__)
bp.before_request(authenticate)


@bp.get("/apps/<app_id>/problems/<problem_id>/facets")
@requires("problems:read")
@with_problem
@response(FacetsSchema())
def facets(problem: Problem) -> dict[str, Any]:
    """Show the values that the reports of a problem have in common.

    At most 50 values of each facet are counted individually; the value null counts all others.
    """
    counted = facets_of(problem.id)
    return {
        "release" if name == "revision" else name: [
            {"value": value or None, "count": count} for value, count in counted.get(name, ())
        ]
        for name in FACETS
    }


@bp.get("/apps/<app_id>/problems/<problem_id>/occurrences")
@requires("problems:read")
@with_problem
@query(OccurrencesQuery())
@response(OccurrencesSchema(many=True))
def occurrences(problem: Problem, interval: str, since: datetime) -> list[dict[str, Any]]:
    """List how often a problem occurred in each hour or UTC day, oldest first.

    Intervals without occurrences are left out.
    """
    if interval == "day":
        counts = days_of_problems([problem.id], since).get(problem.id, [])
    else:
        counts = hours_of_problem(problem.id, since)
    return [{"at": at, "count": count} for at, count in counts]
