"""The page of a single notice."""

from typing import Any

from flask import Response as FlaskResponse
from flask import jsonify, render_template

from checkend import clock
from checkend.auth.roles import Capability
from checkend.models import Notice
from checkend.models.notice import adjacent_notice_ids
from checkend.web.lookups import get_or_404
from checkend.web.pages import signed_in_blueprint
from checkend.web.presenters.markdown import notice_markdown
from checkend.web.presenters.stacktrace import present_stacktrace
from checkend.web.sanitize import pretty_json
from checkend.web.views.problem import problem_for

bp = signed_in_blueprint("notice", "/problems/<int:problem_id>/notices/<int:notice_id>")


@bp.get("")
def show(problem_id: int, notice_id: int) -> str:
    """Show a notice: stack trace, request, user, context, notifier, raw JSON, and links to the adjacent notices."""
    notice = _notice_for(problem_id, notice_id)
    older, newer = adjacent_notice_ids(notice)
    raw = _raw_notice(notice)
    return render_template(
        "notice.html",
        notice=notice,
        problem=notice.problem,
        app=notice.problem.app,
        stack_trace=present_stacktrace(raw["backtrace"], raw["notifier"]),
        details=notice.details,
        older=older,
        newer=newer,
        raw=pretty_json(raw),
        markdown=notice_markdown(notice),
    )


@bp.get("/json")
def as_raw(problem_id: int, notice_id: int) -> FlaskResponse:
    """Return the notice as JSON."""
    return jsonify(_raw_notice(_notice_for(problem_id, notice_id)))


def _raw_notice(notice: Notice) -> dict[str, Any]:
    """Return all stored data of a notice as a JSON value."""
    return {
        "id": notice.id,
        "problem_id": notice.problem_id,
        "error_class": notice.error_class,
        "error_message": notice.error_message,
        "occurred_at": clock.iso(notice.occurred_at),
        "received_at": clock.iso(notice.created_at),
        "backtrace": notice.raw_backtrace,
        **notice.details,
    }


def _notice_for(problem_id: int, notice_id: int) -> Notice:
    problem_for(Capability.SEE_APP, problem_id)
    return get_or_404(Notice, notice_id, problem_id=problem_id)
