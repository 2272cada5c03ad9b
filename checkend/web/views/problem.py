"""One problem: what it is, how often and where it happens, and what can be done with it."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from checkend import clock
from checkend.auth.roles import Capability, can, require
from checkend.auth.sessions import current_user
from checkend.db.transactions import commit
from checkend.models import Notice, Problem, Tag
from checkend.models.counters import facets_of, hours_of_problem
from checkend.models.notice import latest_notices
from checkend.models.problem import tags_in_use
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, delete_with_time_limit
from checkend.web.lookups import get_or_404
from checkend.web.pages import run_and_redirect, signed_in_blueprint
from checkend.web.presenters import charts, markdown
from checkend.web.presenters.facets import facet_shares
from checkend.web.presenters.stacktrace import present_stacktrace

bp = signed_in_blueprint("problem", "/problems/<int:problem_id>")

LATEST = 10
PER_PAGE = 50
TAGS_OFFERED = 200


def problem_for(ability: Capability, problem_id: int) -> Problem:
    """The problem with this id, on whose app the user has ``ability``; aborts with 404 or 403."""
    problem = get_or_404(Problem, problem_id)
    require(current_user(), ability, problem.app)
    return problem


@bp.get("")
def show(problem_id: int) -> str:
    """The problem with its chart, what its reports have in common, and the latest of them."""
    problem = problem_for(Capability.SEE_APP, problem_id)
    span = charts.SPANS.get(request.args.get("chart", ""), charts.SPANS["14d"])
    now = clock.now()
    counts = hours_of_problem(problem.id, charts.first_step(span, now))
    notices = latest_notices(problem, LATEST + 1)
    return render_template(
        "problem.html",
        problem=problem,
        app=problem.app,
        span=span,
        spans=charts.SPANS.values(),
        chart=charts.chart(counts, span, now),
        shares=facet_shares(facets_of(problem.id)),
        notices=notices[:LATEST],
        backtrace=present_stacktrace(notices[0].raw_backtrace, notices[0].notifier) if notices else None,
        more_notices=len(notices) > LATEST,
        markdown=markdown.of_problem(problem, notices[0] if notices else None),
        tags=tags_in_use(AppScope.of([problem.app_id]), TAGS_OFFERED)
        if can(current_user(), Capability.TAG, problem.app)
        else [],
    )


@bp.get("/notices")
def notices(problem_id: int) -> str:
    """All stored notices of the problem, newest first; ``?before=`` a notice's id goes on with older ones."""
    problem = problem_for(Capability.SEE_APP, problem_id)
    before = request.args.get("before", type=int)
    after = None if before is None else get_or_404(Notice, before, problem_id=problem.id)
    found = latest_notices(problem, PER_PAGE + 1, after)
    return render_template(
        "notices.html",
        problem=problem,
        app=problem.app,
        notices=found[:PER_PAGE],
        more=len(found) > PER_PAGE,
        first_page=after is None,
    )


@bp.get("/markdown")
def as_markdown(problem_id: int) -> Response:
    """The problem as Markdown text, for an issue or a colleague."""
    problem = problem_for(Capability.SEE_APP, problem_id)
    newest = latest_notices(problem, 1)
    text = markdown.of_problem(problem, newest[0] if newest else None)
    return Response(text, content_type="text/plain; charset=utf-8")


@bp.post("/resolve")
def resolve(problem_id: int) -> Redirect:
    """Mark the problem as resolved."""
    problem = problem_for(Capability.RESOLVE, problem_id)
    return run_and_redirect(
        problem.resolve, "Resolved. It opens again by itself when it is reported again.", _page(problem_id)
    )


@bp.post("/unresolve")
def unresolve(problem_id: int) -> Redirect:
    """Open the problem again."""
    problem = problem_for(Capability.RESOLVE, problem_id)
    return run_and_redirect(problem.unresolve, "Opened again.", _page(problem_id))


@bp.post("/tags")
def add_tag(problem_id: int) -> Redirect:
    """Put a tag on the problem."""
    problem = problem_for(Capability.TAG, problem_id)
    return run_and_redirect(lambda: problem.add_tag(request.form.get("tag", "")), "Tag added.", _page(problem_id))


@bp.post("/tags/<int:tag_id>/remove")
def remove_tag(problem_id: int, tag_id: int) -> Redirect:
    """Take a tag off the problem."""
    problem = problem_for(Capability.TAG, problem_id)
    tag = get_or_404(Tag, tag_id)
    if tag not in problem.tags:
        abort(404)
    return run_and_redirect(lambda: problem.tags.remove(tag), f"Tag {tag.name} removed.", _page(problem_id))


@bp.post("/delete")
def delete(problem_id: int) -> Redirect:
    """Delete the problem with all its notices and counts."""
    problem = problem_for(Capability.DELETE_PROBLEMS, problem_id)
    slug = problem.app.slug
    commit()  # the deletion opens transactions of its own
    _, left = delete_with_time_limit(ProblemSelection(AppScope.of([problem.app_id]), (problem.id,)))
    if left:
        flash("It has so many notices that some are left: delete it again to go on.", "warning")
        return redirect(_page(problem_id))
    flash("Problem deleted.")
    return redirect(url_for("problems.app_index", slug=slug))


def _page(problem_id: int) -> str:
    return url_for("problem.show", problem_id=problem_id)
