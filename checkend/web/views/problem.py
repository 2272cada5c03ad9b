"""The page of a problem, and the actions on it."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from checkend import clock
from checkend.auth.roles import Capability, can, require
from checkend.auth.sessions import current_user
from checkend.models import Notice, Problem, Tag
from checkend.models.counters import facets_of, hours_of_problem
from checkend.models.mute import mute_problem, unmute_problem
from checkend.models.notice import latest_notices
from checkend.models.problem_list import tags_in_use
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, delete_with_time_limit
from checkend.web.lookups import get_or_404
from checkend.web.mute_form import DURATIONS, read_terms
from checkend.web.pages import run_and_redirect, signed_in_blueprint
from checkend.web.presenters import charts
from checkend.web.presenters.channel_kinds import issues_of
from checkend.web.presenters.facets import facet_shares
from checkend.web.presenters.markdown import problem_markdown
from checkend.web.presenters.stacktrace import present_stacktrace

bp = signed_in_blueprint("problem", "/problems/<int:problem_id>")

MAX_LATEST = 10
PER_PAGE = 50
MAX_TAG_SUGGESTIONS = 200


def problem_for(capability: Capability, problem_id: int) -> Problem:
    """Return the problem with this id; abort with 404 or 403 unless the user has ``capability`` on its app."""
    problem = get_or_404(Problem, problem_id)
    require(current_user(), capability, problem.app)
    return problem


@bp.get("")
def show(problem_id: int) -> str:
    """Show the problem: chart, latest stack trace, latest notices, facets, tags."""
    problem = problem_for(Capability.SEE_APP, problem_id)
    app = problem.app
    span = charts.SPANS.get(request.args.get("chart", ""), charts.SPANS["14d"])
    now = clock.now()
    counts = hours_of_problem(problem.id, charts.first_step(span, now))
    notices = latest_notices(problem, MAX_LATEST + 1)
    latest = notices[0] if notices else None
    return render_template(
        "problem.html",
        problem=problem,
        app=app,
        span=span,
        spans=charts.SPANS.values(),
        chart=charts.chart(counts, span, now),
        issues=issues_of(problem.id),
        facets=facet_shares(facets_of(problem.id)),
        notices=notices[:MAX_LATEST],
        stack_trace=present_stacktrace(latest.raw_backtrace, latest.notifier) if latest else None,
        more_notices=len(notices) > MAX_LATEST,
        markdown=problem_markdown(problem, latest),
        durations=DURATIONS,
        tags=tags_in_use(AppScope.of([app.id]), MAX_TAG_SUGGESTIONS)
        if can(current_user(), Capability.TAG, app)
        else [],
    )


@bp.get("/notices")
def notices(problem_id: int) -> str:
    """List all stored notices of the problem, newest first. ``?before=`` continues after the notice with that id."""
    problem = problem_for(Capability.SEE_APP, problem_id)
    before = request.args.get("before", type=int)
    previous = None if before is None else get_or_404(Notice, before, problem_id=problem.id)
    notices = latest_notices(problem, PER_PAGE + 1, previous)
    return render_template(
        "notices.html",
        problem=problem,
        app=problem.app,
        notices=notices[:PER_PAGE],
        more=len(notices) > PER_PAGE,
        first_page=previous is None,
    )


@bp.get("/markdown")
def as_markdown(problem_id: int) -> Response:
    """Return the problem as Markdown text."""
    problem = problem_for(Capability.SEE_APP, problem_id)
    latest = latest_notices(problem, 1)
    text = problem_markdown(problem, latest[0] if latest else None)
    return Response(text, content_type="text/plain; charset=utf-8")


@bp.post("/resolve")
def resolve(problem_id: int) -> Redirect:
    """Mark the problem as resolved."""
    problem = problem_for(Capability.RESOLVE, problem_id)
    message = "Resolved. The problem is reopened automatically if it occurs again."
    return run_and_redirect(problem.resolve, message, _problem_url(problem_id))


@bp.post("/unresolve")
def unresolve(problem_id: int) -> Redirect:
    """Reopen the problem."""
    problem = problem_for(Capability.RESOLVE, problem_id)
    return run_and_redirect(problem.unresolve, "Reopened.", _problem_url(problem_id))


@bp.post("/mute")
def mute(problem_id: int) -> Redirect:
    """Mute the problem on the terms of the form."""
    problem = problem_for(Capability.RESOLVE, problem_id)
    message = "Muted. The problem keeps counting but sends no notifications."
    return run_and_redirect(lambda: mute_problem(problem, read_terms(request.form)), message, _problem_url(problem_id))


@bp.post("/unmute")
def unmute(problem_id: int) -> Redirect:
    """End the mute of the problem."""
    problem = problem_for(Capability.RESOLVE, problem_id)
    return run_and_redirect(lambda: unmute_problem(problem), "Unmuted.", _problem_url(problem_id))


@bp.post("/tags")
def add_tag(problem_id: int) -> Redirect:
    """Add a tag to the problem."""
    problem = problem_for(Capability.TAG, problem_id)
    name = request.form.get("tag", "")
    return run_and_redirect(lambda: problem.add_tag(name), "Tag added.", _problem_url(problem_id))


@bp.post("/tags/<int:tag_id>/remove")
def remove_tag(problem_id: int, tag_id: int) -> Redirect:
    """Remove a tag from the problem."""
    problem = problem_for(Capability.TAG, problem_id)
    tag = get_or_404(Tag, tag_id)

    def remove() -> None:
        if tag not in problem.tags:
            abort(404)
        problem.remove_tag(tag)

    return run_and_redirect(remove, f"Tag {tag.name} removed.", _problem_url(problem_id))


@bp.post("/delete")
def delete(problem_id: int) -> Redirect:
    """Delete the problem with all its notices and counts."""
    app = problem_for(Capability.DELETE_PROBLEMS, problem_id).app
    app_id, slug = app.id, app.slug
    _, remaining = delete_with_time_limit(ProblemSelection(AppScope.of([app_id]), (problem_id,)))
    if remaining:
        flash("The problem has too many notices to delete at once. Delete it again to continue.", "warning")
        return redirect(_problem_url(problem_id))
    flash("Problem deleted.")
    return redirect(url_for("problems.app_index", slug=slug))


def _problem_url(problem_id: int) -> str:
    return url_for("problem.show", problem_id=problem_id)
