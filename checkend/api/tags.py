"""The tags of a problem: /api/v1/apps/:app_id/problems/:problem_id/tags."""

from typing import Any

from flask import Blueprint

from checkend.api.decorators import body, response
from checkend.api.lookups import with_problem, with_problem_and_tag
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.models import Problem, Tag
from checkend.schemas.tag import TagSchema

bp = Blueprint("tags", __name__)
bp.before_request(authenticate)


@bp.get("/apps/<app_id>/problems/<problem_id>/tags")
@requires("tags:read")
@with_problem
@response(TagSchema(many=True))
def index(problem: Problem) -> list[Tag]:
    """List the tags of a problem, by name."""
    return problem.tags


@bp.post("/apps/<app_id>/problems/<problem_id>/tags")
@requires("tags:write")
@with_problem
@body(TagSchema())
@response(TagSchema(), 201)
def create(problem: Problem, data: dict[str, Any]) -> Tag:
    """Add a tag to a problem. It is rejected if the problem already has it."""
    return problem.add_tag(data["name"])


@bp.delete("/apps/<app_id>/problems/<problem_id>/tags/<tag_id>")
@requires("tags:write")
@with_problem_and_tag
@response(status=204)
def delete(problem: Problem, tag: Tag) -> None:
    """Remove a tag from a problem."""
    problem.remove_tag(tag)
