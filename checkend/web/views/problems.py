"""Lists of problems, of an app and across apps, and what can be done with many of them at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import defer, joinedload
from werkzeug.wrappers import Response

from checkend import clock
from checkend.auth.roles import Capability, apps_with, visible_apps
from checkend.auth.sessions import current_user
from checkend.db.session import db
from checkend.db.transactions import commit
from checkend.exceptions import DomainError
from checkend.models import App, Problem
from checkend.models.counters import days_of_problems, have_reported
from checkend.models.problem import (
    RESOLVED,
    UNRESOLVED,
    ProblemFilter,
    count_problems,
    environments_of,
    find_problems,
    tags_in_use,
)
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, bulk_set_status, bulk_tag, bulk_untag, delete_with_time_limit
from checkend.web.lookups import app_for
from checkend.web.pages import signed_in_blueprint
from checkend.web.presenters import charts
from checkend.web.problem_query import PER_PAGE, SINCE, SORTS, ProblemQuery, read_query
from checkend.web.sanitize import escape_controls

bp = signed_in_blueprint("problems")

TAGS_OFFERED = 200
MAX_SELECTED_IDS = 1000


@bp.get("/problems")
def index() -> tuple[str, int]:
    """The problems of all apps that one may see, narrowed and ordered by the address."""
    return _page(None)


@bp.get("/apps/<slug>/problems")
def app_index(slug: str) -> tuple[str, int]:
    """The problems of an app, narrowed and ordered by the address."""
    return _page(app_for(Capability.SEE_APP, slug))


@bp.post("/problems")
def bulk_update() -> Any:
    """Resolve, reopen, tag, untag or delete the problems chosen, or all that the address's filter finds."""
    return _bulk_update(None)


@bp.post("/apps/<slug>/problems")
def app_bulk_update(slug: str) -> Any:
    """As `bulk_update`, for the problems of an app."""
    return _bulk_update(app_for(Capability.SEE_APP, slug))


def _page(app: App | None) -> tuple[str, int]:
    query = read_query(request.args)
    scope = AppScope.of([app.id]) if app else visible_apps(current_user())
    problems = [] if query.faults else _problems(scope, query)
    counts = {} if query.faults else _counts(scope, query.wanted)
    now = clock.now()
    days = days_of_problems((problem.id for problem in problems), charts.spark_start(now))
    html = render_template(
        "problems.html",
        app=app,
        query=query,
        problems=problems,
        counts=counts,
        sparks={problem.id: charts.sparkline(days.get(problem.id, []), now) for problem in problems},
        allowed=_allowed(app),
        tags=tags_in_use(scope, TAGS_OFFERED),
        environments=_environments(app, problems),
        has_problems=bool(problems) or count_problems(scope, ProblemFilter()) > 0,
        has_reports=bool(problems) or have_reported(scope),
        choices={"since": SINCE, "sort": SORTS, "per_page": PER_PAGE},
    )
    return html, 422 if query.faults else 200


def _problems(scope: AppScope, query: ProblemQuery) -> list[Problem]:
    statement = find_problems(scope, query.wanted).options(defer(Problem.search_text), joinedload(Problem.app))
    return list(db.session.scalars(statement.offset((query.page - 1) * PER_PAGE).limit(PER_PAGE)))


def _counts(scope: AppScope, wanted: ProblemFilter) -> dict[str, int]:
    """How many problems the filter finds with each status: what the tabs say."""
    unresolved = count_problems(scope, replace(wanted, status=UNRESOLVED))
    resolved = count_problems(scope, replace(wanted, status=RESOLVED))
    return {UNRESOLVED: unresolved, RESOLVED: resolved, "all": unresolved + resolved}


def _environments(app: App | None, problems: list[Problem]) -> list[str]:
    """Environments worth offering: those of the problems on the page, and of their apps, if one can read them."""
    apps = {app.environment} if app else {problem.app.environment for problem in problems}
    names = {*environments_of([problem.id for problem in problems]), *filter(None, apps)}
    return sorted(name for name in names if escape_controls(name) == name)


def _allowed(app: App | None) -> dict[str, AppScope]:
    """For each thing that can be done with problems, the apps where the user may."""
    abilities = {action.ability for action in ACTIONS.values()}
    return {ability.value: _within(app, apps_with(current_user(), ability)) for ability in abilities}


def _within(app: App | None, scope: AppScope) -> AppScope:
    return scope.intersect([app.id]) if app else scope


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do with many problems: who may, how, and what to say then (``n problems …``)."""

    ability: Capability
    run: Callable[[ProblemSelection], int]
    done: str


def _selected_tag() -> str:
    return request.form.get("tag", "")


ACTIONS = {
    "resolve": Action(Capability.RESOLVE, lambda choice: bulk_set_status(choice, RESOLVED), "resolved"),
    "unresolve": Action(Capability.RESOLVE, lambda choice: bulk_set_status(choice, UNRESOLVED), "opened again"),
    "tag": Action(Capability.TAG, lambda choice: bulk_tag(choice, _selected_tag()), "tagged"),
    "untag": Action(Capability.TAG, lambda choice: bulk_untag(choice, _selected_tag()), "untagged"),
    "delete": Action(Capability.DELETE_PROBLEMS, lambda choice: _delete(choice), "deleted"),
}


def _bulk_update(app: App | None) -> Any:
    query = read_query(request.args)
    if request.form.get("action") == "":  # Enter in a browser without JavaScript
        flash("Choose what to do with the selected problems.", "warning")
        return _back(app, query)
    action = ACTIONS.get(request.form.get("action", ""))
    if action is None or query.faults:
        abort(400, " ".join(query.faults) or "There is no such action.")
    choice = _selection(app, action, query)
    if choice is None:
        flash("Select some problems first.", "warning")
    elif request.form["action"] == "delete" and request.form.get("confirmed") != "yes":
        return render_template("problems_delete.html", app=app, query=query, count=choice.count(), ids=choice.ids)
    else:
        _run(action, choice)
    return _back(app, query)


def _selection(app: App | None, action: Action, query: ProblemQuery) -> ProblemSelection | None:
    """The problems to act on; None when none was chosen. Aborts with 403 where one of them is beyond the user."""
    scope = _within(app, apps_with(current_user(), action.ability))
    if scope.is_empty:
        abort(403)
    if request.form.get("scope") == "all":
        return ProblemSelection(scope, filters=query.wanted)
    ids = _selected_ids()
    if ids and _beyond(scope, ids):
        abort(403)
    return ProblemSelection(scope, ids) if ids else None


def _selected_ids() -> tuple[int, ...]:
    given = request.form.getlist("id")
    if len(given) > MAX_SELECTED_IDS:
        abort(400, f"At most {MAX_SELECTED_IDS} problems can be named at once.")
    return tuple(int(value) for value in given if value.isascii() and value.isdigit() and len(value) < 19)


def _beyond(scope: AppScope, ids: tuple[int, ...]) -> bool:
    """Whether one of the problems belongs to an app that the user sees but may not do this to."""
    selected = select(Problem.app_id).where(Problem.id.in_(ids)).distinct()
    visible = visible_apps(current_user()).narrow(selected, Problem.app_id)
    return any(app_id not in scope for app_id in db.session.scalars(visible))


def _run(action: Action, choice: ProblemSelection) -> None:
    try:
        count = action.run(choice)
    except DomainError as error:
        db.session.rollback()
        flash(str(error), "error")
        return
    db.session.commit()
    flash(f"{count:,} {'problem' if count == 1 else 'problems'} {action.done}.")


def _delete(choice: ProblemSelection) -> int:
    commit()  # the deletion opens transactions of its own
    deleted, left = delete_with_time_limit(choice)
    if left:
        flash(f"{left:,} of them are left: delete them again to go on.", "warning")
    return deleted


def _back(app: App | None, query: ProblemQuery) -> Response:
    values: dict[str, Any] = dict(query.args())
    if app:
        return redirect(url_for("problems.app_index", slug=app.slug, **values))
    return redirect(url_for("problems.index", **values))
