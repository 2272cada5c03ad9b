"""Notices: /api/v1/apps/:app_id/problems/:problem_id/notices."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Select

from checkend.api.decorators import paginated, query, response
from checkend.api.lookups import with_notice, with_problem
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.models import Notice, Problem
from checkend.models.notice import NoticeFilter, count_notices, notices_of
from checkend.schemas.notice import NoticeQuery, NoticeSchema

bp = Blueprint("notices", __name__)
bp.before_request(authenticate)


@bp.get("/apps/<app_id>/problems/<problem_id>/notices")
@requires("notices:read")
@with_problem
@query(NoticeQuery())
@paginated(NoticeSchema())
def index(problem: Problem, wanted: NoticeFilter) -> tuple[Select[Any], int]:
    """A page of a problem's notices, the latest first."""
    return notices_of(problem, wanted), count_notices(problem, wanted)


@bp.get("/apps/<app_id>/problems/<problem_id>/notices/<notice_id>")
@requires("notices:read")
@with_notice
@response(NoticeSchema())
def show(notice: Notice) -> Notice:
    """A notice with all that was sent."""
    return notice
