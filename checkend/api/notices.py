"""Notices: /api/v1/apps/:app_id/problems/:problem_id/notices."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Select

from checkend.api.decorators import paginated, query, response
from checkend.api.lookups import with_notice, with_problem
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.models import Notice, Problem
from checkend.models.notice import NoticeFilter, count_notices, find_notices
from checkend.schemas.notice import NoticeQuery, NoticeSchema

bp = Blueprint("notices", __name__)
bp.before_request(authenticate)


@bp.get("/apps/<app_id>/problems/<problem_id>/notices")
@requires("notices:read")
@with_problem
@query(NoticeQuery())
@paginated(NoticeSchema())
def index(problem: Problem, filters: NoticeFilter) -> tuple[Select[Any], int]:
    """List the notices of a problem, the latest first."""
    return find_notices(problem, filters), count_notices(problem, filters)


@bp.get("/apps/<app_id>/problems/<problem_id>/notices/<notice_id>")
@requires("notices:read")
@with_notice
@response(NoticeSchema())
def show(notice: Notice) -> Notice:
    """Show a notice with everything that was reported."""
    return notice
