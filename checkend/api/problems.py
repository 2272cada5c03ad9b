"""Problems: /api/v1/problems and /api/v1/apps/:app_id/problems."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Select

from checkend.api.decorators import body, paginated, query, response
from checkend.api.lookups import find_apps, with_app, with_problem
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.db.transactions import write_in_steps
from checkend.models import App, Problem, ProblemFilter
from checkend.models.mute import mute_problem, mute_problems, unmute_problem, unmute_problems
from checkend.models.problem import RESOLVED, UNRESOLVED, Status, details_options
from checkend.models.problem_list import count_problems, find_problems
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, bulk_set_status, delete_in_batches
from checkend.models.selection import bulk_tag as tag_problems
from checkend.models.selection import bulk_untag as untag_problems
from checkend.schemas.mute import BulkMuteSchema, MuteTermsSchema, mute_terms
from checkend.schemas.problem import (
    AllProblemsQuery,
    BulkResultSchema,
    ProblemIdsSchema,
    ProblemQuery,
    ProblemSchema,
    TagProblemsSchema,
)

bp = Blueprint("problems", __name__)
bp.before_request(authenticate)


@bp.get("/problems")
@requires("problems:read")
@query(AllProblemsQuery())
@paginated(ProblemSchema())
def index_all(apps: list[str], filters: ProblemFilter) -> tuple[Select[Any], int]:
    """List a page of the problems of all apps, or of those named by ``app``, filtered and sorted."""
    scope = find_apps(apps)
    return find_problems(scope, filters).options(*details_options()), count_problems(scope, filters)


@bp.get("/apps/<app_id>/problems")
@requires("problems:read")
@with_app
@query(ProblemQuery())
@paginated(ProblemSchema())
def index(app: App, filters: ProblemFilter) -> tuple[Select[Any], int]:
    """List the problems of an app, filtered and sorted."""
    scope = AppScope.of([app.id])
    return find_problems(scope, filters).options(*details_options()), count_problems(scope, filters)


@bp.get("/apps/<app_id>/problems/<problem_id>")
@requires("problems:read")
@with_problem
@response(ProblemSchema())
def show(problem: Problem) -> Problem:
    """Show a problem."""
    return problem


@bp.post("/apps/<app_id>/problems/<problem_id>/resolve")
@requires("problems:write")
@with_problem
@response(ProblemSchema())
def resolve(problem: Problem) -> Problem:
    """Mark a problem as resolved. A resolved problem stays as it is."""
    problem.resolve()
    return problem


@bp.post("/apps/<app_id>/problems/<problem_id>/unresolve")
@requires("problems:write")
@with_problem
@response(ProblemSchema())
def unresolve(problem: Problem) -> Problem:
    """Reopen a problem. An unresolved problem stays as it is."""
    problem.unresolve()
    return problem


@bp.post("/apps/<app_id>/problems/<problem_id>/mute")
@requires("problems:write")
@with_problem
@body(MuteTermsSchema())
@response(ProblemSchema())
def mute(problem: Problem, data: dict[str, Any]) -> Problem:
    """Mute a problem: it keeps counting, but sends no notifications.

    The mute ends at the first of the terms that is met; without terms, only when the problem is unmuted. New terms
    replace those of an earlier mute. A resolved problem is rejected.
    """
    mute_problem(problem, mute_terms(data))
    return problem


@bp.post("/apps/<app_id>/problems/<problem_id>/unmute")
@requires("problems:write")
@with_problem
@response(ProblemSchema())
def unmute(problem: Problem) -> Problem:
    """End the mute of a problem. A problem that is not muted stays as it is."""
    unmute_problem(problem)
    return problem


@bp.post("/apps/<app_id>/problems/bulk_resolve")
@requires("problems:write")
@with_app
@body(ProblemIdsSchema())
@response(BulkResultSchema())
def bulk_resolve(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Mark several problems of an app as resolved. Resolved ones stay as they are, and count too."""
    return _set_status(app, data["problem_ids"], RESOLVED)


@bp.post("/apps/<app_id>/problems/bulk_unresolve")
@requires("problems:write")
@with_app
@body(ProblemIdsSchema())
@response(BulkResultSchema())
def bulk_unresolve(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Reopen several problems of an app. Unresolved ones stay as they are, and count too."""
    return _set_status(app, data["problem_ids"], UNRESOLVED)


@bp.delete("/apps/<app_id>/problems/<problem_id>")
@requires("problems:write", writing=False)  # a transaction per batch
@with_problem
@response(status=204)
def delete(problem: Problem) -> None:
    """Delete a problem with its notices and counters. It is opened again if it occurs again."""
    _delete(ProblemSelection(AppScope.of([problem.app_id]), (problem.id,)))


@bp.post("/apps/<app_id>/problems/bulk_delete")
@requires("problems:write", writing=False)  # a transaction per batch
@with_app
@body(ProblemIdsSchema())
@response(BulkResultSchema())
def bulk_delete(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Delete several problems of an app, with their notices and counters."""
    selections = ProblemSelection.in_batches(AppScope.of([app.id]), data["problem_ids"])
    count = sum(_delete(selection) for selection in selections)
    return {"message": f"{count} problem(s) deleted", "count": count}


@bp.post("/apps/<app_id>/problems/bulk_tag")
@requires("problems:write")
@with_app
@body(TagProblemsSchema())
@response(BulkResultSchema())
def bulk_tag(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Add a tag to several problems of an app. Those that have it already stay as they are."""
    selections = ProblemSelection.in_batches(AppScope.of([app.id]), data["problem_ids"])
    count = sum(selection.count() for selection in selections)
    for selection in selections:
        tag_problems(selection, data["tag"])
    return {"message": f"{count} problem(s) tagged", "count": count}


@bp.post("/apps/<app_id>/problems/bulk_untag")
@requires("problems:write")
@with_app
@body(TagProblemsSchema())
@response(BulkResultSchema())
def bulk_untag(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Remove a tag from several problems of an app."""
    selections = ProblemSelection.in_batches(AppScope.of([app.id]), data["problem_ids"])
    count = sum(selection.count() for selection in selections)
    for selection in selections:
        untag_problems(selection, data["tag"])
    return {"message": f"{count} problem(s) untagged", "count": count}


def _delete(selection: ProblemSelection) -> int:
    return sum(write_in_steps(delete_in_batches(selection)))


@bp.post("/apps/<app_id>/problems/bulk_mute")
@requires("problems:write")
@with_app
@body(BulkMuteSchema())
@response(BulkResultSchema())
def bulk_mute(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Mute several problems of an app. Resolved ones stay as they are, and do not count."""
    terms, count = mute_terms({name: value for name, value in data.items() if name != "problem_ids"}), 0
    for selection in ProblemSelection.in_batches(AppScope.of([app.id]), data["problem_ids"]):
        count += mute_problems(selection.select_ids(), terms)
    return {"message": f"{count} problem(s) muted", "count": count}


@bp.post("/apps/<app_id>/problems/bulk_unmute")
@requires("problems:write")
@with_app
@body(ProblemIdsSchema())
@response(BulkResultSchema())
def bulk_unmute(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """End the mutes of several problems of an app."""
    count = 0
    for selection in ProblemSelection.in_batches(AppScope.of([app.id]), data["problem_ids"]):
        count += selection.count()
        unmute_problems(selection.select_ids())
    return {"message": f"{count} problem(s) unmuted", "count": count}


def _set_status(app: App, problem_ids: list[int], status: Status) -> dict[str, Any]:
    count = 0
    for selection in ProblemSelection.in_batches(AppScope.of([app.id]), problem_ids):
        count += selection.count()
        bulk_set_status(selection, status)
    return {"message": f"{count} problem(s) marked as {status}", "count": count}
