"""One notice: everything that a single report said."""

from typing import Any

from flask import Response as FlaskResponse
from flask import jsonify, render_template

from checkend import clock
from checkend.auth.roles import Capability
from checkend.models import Notice
from checkend.models.notice import adjacent_notice_ids
from checkend.web.lookups import get_or_404
from checkend.web.pages import signed_in_blueprint
from checkend.web.presenters import markdown
from checkend.web.presenters.stacktrace import frame_text, present_stacktrace
from checkend.web.sanitize import pretty_json
from checkend.web.views.problem import problem_for

bp = signed_in_blueprint("notice", "/problems/<int:problem_id>/notices/<int:notice_id>")


@bp.get("")
def show(problem_id: int, notice_id: int) -> str:
    """The notice with its backtrace, request, user, context, notifier and raw JSON, and its neighbours."""
    notice = _visible_notice(problem_id, notice_id)
    older, newer = adjacent_notice_ids(notice)
    raw = raw_of(notice)
    return render_template(
        "notice.html",
        notice=notice,
        problem=notice.problem,
        app=notice.problem.app,
        backtrace=present_stacktrace(raw["backtrace"], raw["notifier"]),
        frame_text=frame_text,
        details=notice.details,
        older=older,
        newer=newer,
        raw=pretty_json(raw),
        markdown=markdown.of_notice(notice),
    )


@bp.get("/json")
def as_raw(problem_id: int, notice_id: int) -> FlaskResponse:
    """The notice as JSON, as it was sent."""
    return jsonify(raw_of(_visible_notice(problem_id, notice_id)))


def raw_of(notice: Notice) -> dict[str, Any]:
    """All that is stored of a notice, in JSON's terms."""
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


def _visible_notice(problem_id: int, notice_id: int) -> Notice:
    problem_for(Capability.SEE_APP, problem_id)
    return get_or_404(Notice, notice_id, problem_id=problem_id)
