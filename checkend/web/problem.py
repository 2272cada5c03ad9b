"""One problem: what it is, how often and where it happens, and what can be done with it."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from checkend import clock
from checkend.auth.abilities import Ability, can, require
from checkend.auth.sessions import me
from checkend.extensions import db
from checkend.models import Notice, Problem, Tag
from checkend.models.bulk import Choice, delete_in_steps
from checkend.models.counters import facets_of, hours_of_problem
from checkend.models.notice import latest_notices
from checkend.models.problem import tags_in_use
from checkend.models.rules import RuleBroken
from checkend.web import charts, markdown
from checkend.web.backtrace_view import view
from checkend.web.pages import signed_in_blueprint
from checkend.web.shares import shares_of

bp = signed_in_blueprint("problem", "/problems/<int:problem_id>")

LATEST = 10
PER_PAGE = 50
TAGS_OFFERED = 200


def visible_problem(problem_id: int) -> Problem:
    """The problem with this id; aborts with 404 where there is none that the user may see."""
    problem = db.session.get(Problem, problem_id) if problem_id < 2**63 else None
    if problem is None:
        abort(404)
    require(me(), Ability.SEE_APP, problem.app)
    return problem


@bp.get("")
def show(problem_id: int) -> str:
    """The problem with its chart, what its reports have in common, and the latest of them."""
    problem = visible_problem(problem_id)
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
    problem = visible_problem(problem_id)
    before = request.args.get("before", type=int)
    after = db.session.get(Notice, before) if before is not None and 0 < before < 2**63 else None
    if before is not None and (after is None or after.problem_id != problem.id):
        abort(404)
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
    problem = visible_problem(problem_id)
    newest = latest_notices(problem, 1)
    text = markdown.of_problem(problem, newest[0] if newest else None)
    return Response(text, content_type="text/plain; charset=utf-8")


@bp.post("/resolve")
def resolve(problem_id: int) -> Redirect:
    """Mark the problem as resolved."""
    problem = _mine(problem_id, Ability.RESOLVE)
    problem.resolve()
    return _done(problem, "Resolved. It opens again by itself when it is reported again.")


@bp.post("/unresolve")
def unresolve(problem_id: int) -> Redirect:
    """Open the problem again."""
    problem = _mine(problem_id, Ability.RESOLVE)
    problem.unresolve()
    return _done(problem, "Opened again.")


@bp.post("/tags")
def add_tag(problem_id: int) -> Redirect:
    """Put a tag on the problem."""
    problem = _mine(problem_id, Ability.TAG)
    try:
        problem.add_tag(request.form.get("tag", ""))
    except RuleBroken as error:
        db.session.rollback()
        flash(str(error), "error")
        return _show(problem_id)
    return _done(problem)


@bp.post("/tags/<int:tag_id>/remove")
def remove_tag(problem_id: int, tag_id: int) -> Redirect:
    """Take a tag off the problem."""
    problem = _mine(problem_id, Ability.TAG)
    tag = db.session.get(Tag, tag_id) if tag_id < 2**63 else None
    if tag is None or tag not in problem.tags:
        abort(404)
    problem.tags.remove(tag)
    return _done(problem)


@bp.post("/delete")
def delete(problem_id: int) -> Redirect:
    """Delete the problem with all its notices and counts."""
    problem = _mine(problem_id, Ability.DELETE_PROBLEMS)
    slug = problem.app.slug
    for _ in delete_in_steps(Choice([problem.app_id], (problem.id,))):
        db.session.commit()
    flash("Problem deleted.")
    return redirect(url_for("problems.of_app", slug=slug))


def _mine(problem_id: int, ability: Ability) -> Problem:
    problem = visible_problem(problem_id)
    require(me(), ability, problem.app)
    return problem


def _done(problem: Problem, message: str = "") -> Redirect:
    problem_id = problem.id
    db.session.commit()
    if message:
        flash(message)
    return _show(problem_id)


def _show(problem_id: int) -> Redirect:
    return redirect(url_for("problem.show", problem_id=problem_id))
