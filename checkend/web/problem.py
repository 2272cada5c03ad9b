"""One problem: what it is, how often and where it happens, and what can be done with it."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from checkend import clock
from checkend.auth.abilities import Ability, can, require
from checkend.auth.sessions import me
from checkend.models import Notice, Problem, Tag
from checkend.models.bulk import Choice
from checkend.models.counters import facets_of, hours_of_problem
from checkend.models.notice import latest_notices
from checkend.models.problem import tags_in_use
from checkend.web import charts, markdown
from checkend.web.backtrace_view import view
from checkend.web.deleting import delete_for_a_while
from checkend.web.lookups import row
from checkend.web.pages import settle, signed_in_blueprint
from checkend.web.shares import shares_of

bp = signed_in_blueprint("problem", "/problems/<int:problem_id>")

LATEST = 10
PER_PAGE = 50
TAGS_OFFERED = 200


def problem_for(ability: Ability, problem_id: int) -> Problem:
    """The problem with this id, on whose app the user has ``ability``; aborts with 404 or 403."""
    problem = row(Problem, problem_id)
    require(me(), ability, problem.app)
    return problem


@bp.get("")
def show(problem_id: int) -> str:
    """The problem with its chart, what its reports have in common, and the latest of them."""
    problem = problem_for(Ability.SEE_APP, problem_id)
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
        shares=shares_of(facets_of(problem.id)),
        notices=notices[:LATEST],
        backtrace=view(notices[0].raw_backtrace, notices[0].notifier) if notices else None,
        more_notices=len(notices) > LATEST,
        markdown=markdown.of_problem(problem, notices[0] if notices else None),
        tags=tags_in_use([problem.app_id], TAGS_OFFERED) if can(me(), Ability.TAG, problem.app) else [],
    )


@bp.get("/notices")
def notices(problem_id: int) -> str:
    """All stored notices of the problem, newest first; ``?before=`` a notice's id goes on with older ones."""
    problem = problem_for(Ability.SEE_APP, problem_id)
    before = request.args.get("before", type=int)
    after = None if before is None else row(Notice, before, problem_id=problem.id)
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
    problem = problem_for(Ability.SEE_APP, problem_id)
    newest = latest_notices(problem, 1)
    text = markdown.of_problem(problem, newest[0] if newest else None)
    return Response(text, content_type="text/plain; charset=utf-8")


@bp.post("/resolve")
def resolve(problem_id: int) -> Redirect:
    """Mark the problem as resolved."""
    problem = problem_for(Ability.RESOLVE, problem_id)
    return settle(problem.resolve, "Resolved. It opens again by itself when it is reported again.", _page(problem_id))


@bp.post("/unresolve")
def unresolve(problem_id: int) -> Redirect:
    """Open the problem again."""
    problem = problem_for(Ability.RESOLVE, problem_id)
    return settle(problem.unresolve, "Opened again.", _page(problem_id))


@bp.post("/tags")
def add_tag(problem_id: int) -> Redirect:
    """Put a tag on the problem."""
    problem = problem_for(Ability.TAG, problem_id)
    return settle(lambda: problem.add_tag(request.form.get("tag", "")), "Tag added.", _page(problem_id))


@bp.post("/tags/<int:tag_id>/remove")
def remove_tag(problem_id: int, tag_id: int) -> Redirect:
    """Take a tag off the problem."""
    problem = problem_for(Ability.TAG, problem_id)
    tag = row(Tag, tag_id)
    if tag not in problem.tags:
        abort(404)
    return settle(lambda: problem.tags.remove(tag), f"Tag {tag.name} removed.", _page(problem_id))


@bp.post("/delete")
def delete(problem_id: int) -> Redirect:
    """Delete the problem with all its notices and counts."""
    problem = problem_for(Ability.DELETE_PROBLEMS, problem_id)
    slug = problem.app.slug
    _, left = delete_for_a_while(Choice([problem.app_id], (problem.id,)))
    if left:
        flash("It has so many notices that some are left: delete it again to go on.", "warning")
        return redirect(_page(problem_id))
    flash("Problem deleted.")
    return redirect(url_for("problems.of_app", slug=slug))


def _page(problem_id: int) -> str:
    return url_for("problem.show", problem_id=problem_id)
