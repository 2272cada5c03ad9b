"""Lists of problems, of one app or all apps, and the actions on many problems at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import defer, joinedload
from werkzeug.wrappers import Response

from checkend import clock
from checkend.auth.roles import Capability, apps_with, visible_apps
from checkend.auth.sessions import current_user
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.exceptions import DomainError
from checkend.models import App, Problem
from checkend.models.counters import days_of_problems, have_reported
from checkend.models.mute import mute_problems, unmute_problems
from checkend.models.problem import RESOLVED, UNRESOLVED
from checkend.models.problem_list import (
    Mismatch,
    ProblemFilter,
    count_problems,
    environments_of,
    explain_no_match,
    find_problems,
    latest_occurrence,
    tags_in_use,
)
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, bulk_set_status, bulk_tag, bulk_untag, delete_with_time_limit
from checkend.models.slugs import parse_id
from checkend.web.lookups import app_for
from checkend.web.mute_form import DURATIONS, read_terms
from checkend.web.pages import signed_in_blueprint
from checkend.web.presenters import charts
from checkend.web.problem_query import PER_PAGE, SEARCH_EXAMPLES, SINCE, SORTS, TABS, ProblemQuery, of_tab, read_query
from checkend.web.sanitize import escape_controls

bp = signed_in_blueprint("problems")

MAX_TAG_SUGGESTIONS = 200
MAX_SELECTED_IDS = 1000


@bp.get("/problems")
def index() -> tuple[str, int]:
    """List the problems of all apps that the user may see, filtered and sorted by query parameters."""
    return _problems_page(None)


@bp.get("/apps/<slug>/problems")
def app_index(slug: str) -> tuple[str, int]:
    """List the problems of an app, filtered and sorted by query parameters."""
    return _problems_page(app_for(Capability.SEE_APP, slug))


@bp.post("/problems")
def bulk_update() -> Any:
    """Run one of `ACTIONS` on the selected problems, or on all that match the filter in the URL."""
    return _bulk_update(None)


@bp.post("/apps/<slug>/problems")
def app_bulk_update(slug: str) -> Any:
    """Do the same as `bulk_update` with the problems of an app."""
    return _bulk_update(app_for(Capability.SEE_APP, slug))


def _problems_page(app: App | None) -> tuple[str, int]:
    query = read_query(request.args)
    scope = AppScope.of([app.id]) if app else visible_apps(current_user())
    now, seen = clock.now(), latest_occurrence(scope)
    problems = [] if query.errors else _find_page(scope, query)
    days = days_of_problems((problem.id for problem in problems), charts.spark_start(now))
    html = render_template(
        "problems.html",
        app=app,
        query=query,
        problems=problems,
        counts={} if query.errors else _count_by_tab(scope, query.unlimited),
        sparks={problem.id: charts.sparkline(days.get(problem.id, []), now) for problem in problems},
        app_ids_by_capability={
            action.capability.value: _scope_of(action.capability, app) for action in ACTIONS.values()
        },
        tags=tags_in_use(scope, MAX_TAG_SUGGESTIONS),
        environments=_suggested_environments(app, problems),
        mismatch=_mismatch(scope, query) if not problems else None,
        has_problems=bool(problems) or count_problems(scope, ProblemFilter()) > 0,
        has_reports=bool(problems) or have_reported(scope),
        seen=seen,
        search_examples=SEARCH_EXAMPLES,
        tabs=TABS,
        choices={"since": SINCE, "sort": SORTS, "per_page": PER_PAGE, "mute": DURATIONS},
    )
    return html, 422 if query.errors else 200


def _find_page(scope: AppScope, query: ProblemQuery) -> list[Problem]:
    statement = find_problems(scope, query.filter).options(defer(Problem.search_text), joinedload(Problem.app))
    return list(db.session.scalars(statement.offset((query.page - 1) * PER_PAGE).limit(PER_PAGE)))


def _count_by_tab(scope: AppScope, filters: ProblemFilter) -> dict[str, int]:
    """Return the number of problems on each of the tabs."""
    counts = {tab: count_problems(scope, of_tab(filters, tab)) for tab in TABS if tab != "all"}
    return counts | {"all": counts["unresolved"] + counts["muted"] + counts["resolved"]}


def _mismatch(scope: AppScope, query: ProblemQuery) -> Mismatch | None:
    """Return why the search finds nothing; None if nothing was searched for."""
    return explain_no_match(scope, query.filter) if query.filter.search and not query.errors else None


def _suggested_environments(app: App | None, problems: list[Problem]) -> list[str]:
    """Return the environments of the problems and of their apps, without those that contain invisible characters."""
    app_environments = {app.environment} if app else {problem.app.environment for problem in problems}
    names = {*environments_of([problem.id for problem in problems]), *filter(None, app_environments)}
    return sorted(name for name in names if escape_controls(name) == name)


def _scope_of(capability: Capability, app: App | None) -> AppScope:
    """Return the apps on which the user has ``capability``; with ``app``, that app or none."""
    scope = apps_with(current_user(), capability)
    return scope.intersect([app.id]) if app else scope


@dataclass(frozen=True, slots=True)
class Action:
    """A bulk action: the required capability, the function to run, and the verb of the message.

    ``run`` is called in a write transaction and returns the number of problems it changed.
    """

    capability: Capability
    run: Callable[[ProblemSelection], int]
    verb: str


def _tag_name() -> str:
    return request.form.get("tag", "")


ACTIONS = {
    "resolve": Action(Capability.RESOLVE, lambda selection: bulk_set_status(selection, RESOLVED), "Resolved"),
    "unresolve": Action(Capability.RESOLVE, lambda selection: bulk_set_status(selection, UNRESOLVED), "Reopened"),
    "mute": Action(
        Capability.RESOLVE, lambda selection: mute_problems(selection.select_ids(), read_terms(request.form)), "Muted"
    ),
    "unmute": Action(Capability.RESOLVE, lambda selection: unmute_problems(selection.select_ids()), "Unmuted"),
    "tag": Action(Capability.TAG, lambda selection: bulk_tag(selection, _tag_name()), "Tagged"),
    "untag": Action(Capability.TAG, lambda selection: bulk_untag(selection, _tag_name()), "Untagged"),
    "delete": Action(Capability.DELETE_PROBLEMS, lambda selection: delete_with_time_limit(selection)[0], "Deleted"),
}


def _bulk_update(app: App | None) -> Any:
    query = read_query(request.args)
    name = request.form.get("action", "unknown")
    if name == "":  # Enter in a browser without JavaScript
        flash("Choose what to do with the selected problems.", "warning")
        return _redirect_to_list(app, query)
    action = ACTIONS.get(name)
    if action is None or query.errors:
        abort(400, " ".join(query.errors) or "Unknown action.")
    selection = _selection(app, action, query)
    if selection is None:
        flash("Select one or more problems first.", "warning")
    elif name != "delete":
        _run(action, selection)
    elif request.form.get("confirmed") == "yes":
        _delete(selection)
    else:
        ids, count = selection.ids, selection.count()
        return render_template("problems_delete.html", app=app, query=query, count=count, ids=ids)
    return _redirect_to_list(app, query)


def _selection(app: App | None, action: Action, query: ProblemQuery) -> ProblemSelection | None:
    """Return the selected problems, None if there are none. Abort with 403 if the user may not change one of them."""
    scope = _scope_of(action.capability, app)
    if scope.is_empty:
        abort(403)
    if request.form.get("scope") == "all":
        return ProblemSelection(scope, filters=query.filter)
    ids = _selected_ids()
    if ids and _includes_forbidden(ids, scope):
        abort(403)
    return ProblemSelection(scope, ids) if ids else None


def _selected_ids() -> tuple[int, ...]:
    values = request.form.getlist("id")
    if len(values) > MAX_SELECTED_IDS:
        abort(400, f"Select at most {MAX_SELECTED_IDS} problems.")
    return tuple(problem_id for value in values if (problem_id := parse_id(value)) is not None)


def _includes_forbidden(ids: tuple[int, ...], scope: AppScope) -> bool:
    """Return whether one of the problems belongs to an app that the user may see, but that is not in ``scope``."""
    app_ids = select(Problem.app_id).where(Problem.id.in_(ids)).distinct()
    visible = visible_apps(current_user()).narrow(app_ids, Problem.app_id)
    return any(app_id not in scope for app_id in db.session.scalars(visible))


def _run(action: Action, selection: ProblemSelection) -> None:
    try:
        with write_transaction():
            count = action.run(selection)
    except DomainError as error:
        flash(str(error), "error")
    else:
        flash(f"{action.verb} {_count_problems(count)}.")


def _delete(selection: ProblemSelection) -> None:
    deleted, remaining = delete_with_time_limit(selection)
    if remaining:
        flash(f"{_count_problems(remaining)} remaining. Delete again to continue.", "warning")
    flash(f"Deleted {_count_problems(deleted)}.")


def _count_problems(count: int) -> str:
    """Return ``1 problem`` or ``1,234 problems``."""
    return f"{count:,} {'problem' if count == 1 else 'problems'}"


def _redirect_to_list(app: App | None, query: ProblemQuery) -> Response:
    params: dict[str, Any] = dict(query.args())
    if app:
        return redirect(url_for("problems.app_index", slug=app.slug, **params))
    return redirect(url_for("problems.index", **params))
