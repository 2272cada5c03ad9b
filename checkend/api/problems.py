"""Problems: /api/v1/apps/:app_id/problems."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Select

from checkend.api.decorators import body, paginated, query, response
from checkend.api.lookups import with_app, with_problem
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.db.transactions import commit
from checkend.models import App, Problem, ProblemFilter
from checkend.models.problem import RESOLVED, UNRESOLVED, Status, count_problems, find_problems, set_status
from checkend.schemas.problem import BulkResultSchema, ProblemIdsSchema, ProblemQuery, ProblemSchema

bp = Blueprint("problems", __name__)
bp.before_request(authenticate)


@bp.get("/apps/<app_id>/problems")
@requires("problems:read")
@with_app
@query(ProblemQuery())
@paginated(ProblemSchema())
def index(app: App, wanted: ProblemFilter) -> tuple[Select[Any], int]:
    """A page of an app's problems, the latest first, narrowed by status, text, tags, time and number of notices."""
    return find_problems([app.id], wanted), count_problems([app.id], wanted)


@bp.get("/apps/<app_id>/problems/<problem_id>")
@requires("problems:read")
@with_problem
@response(ProblemSchema())
def show(problem: Problem) -> Problem:
    """A problem."""
    return problem


@bp.post("/apps/<app_id>/problems/<problem_id>/resolve")
@requires("problems:write")
@with_problem
@response(ProblemSchema())
def resolve(problem: Problem) -> Problem:
    """Mark a problem as resolved; no change when it is."""
    problem.resolve()
    commit()
    return problem


@bp.post("/apps/<app_id>/problems/<problem_id>/unresolve")
@requires("problems:write")
@with_problem
@response(ProblemSchema())
def unresolve(problem: Problem) -> Problem:
    """Open a problem again; no change when it is open."""
    problem.unresolve()
    commit()
    return problem


@bp.post("/apps/<app_id>/problems/bulk_resolve")
@requires("problems:write")
@with_app
@body(ProblemIdsSchema())
@response(BulkResultSchema())
def bulk_resolve(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Mark the app's problems among these ids as resolved."""
    return _mark(app, data["problem_ids"], RESOLVED)


@bp.post("/apps/<app_id>/problems/bulk_unresolve")
@requires("problems:write")
@with_app
@body(ProblemIdsSchema())
@response(BulkResultSchema())
def bulk_unresolve(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Open the app's problems among these ids again."""
    return _mark(app, data["problem_ids"], UNRESOLVED)


def _mark(app: App, problem_ids: list[int], status: Status) -> dict[str, Any]:
    count = set_status(app.id, problem_ids, status)
    commit()
    return {"message": f"{count} problem(s) marked as {status}", "count": count}
