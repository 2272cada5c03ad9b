"""One notice: everything that a single report said."""

from typing import Any

from flask import Response as FlaskResponse
from flask import jsonify, render_template

from checkend import clock
from checkend.auth.abilities import Ability
from checkend.models import Notice
from checkend.models.notice import neighbours
from checkend.web import markdown
from checkend.web.backtrace_view import frame_text, view
from checkend.web.lookups import row
from checkend.web.pages import signed_in_blueprint
from checkend.web.problem import problem_for
from checkend.web.text import as_json

bp = signed_in_blueprint("notice", "/problems/<int:problem_id>/notices/<int:notice_id>")


@bp.get("")
def show(problem_id: int, notice_id: int) -> str:
    """The notice with its backtrace, request, user, context, notifier and raw JSON, and its neighbours."""
    notice = _visible_notice(problem_id, notice_id)
    older, newer = neighbours(notice)
    raw = raw_of(notice)
    return render_template(
        "notice.html",
        notice=notice,
        problem=notice.problem,
        app=notice.problem.app,
        backtrace=view(raw["backtrace"], raw["notifier"]),
        frame_text=frame_text,
        details=notice.details,
        older=older,
        newer=newer,
        raw=as_json(raw),
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
    problem_for(Ability.SEE_APP, problem_id)
    return row(Notice, notice_id, problem_id=problem_id)
