"""The tags in use in an app: /api/v1/apps/:app_id/tags."""

from typing import Any

from flask import Blueprint

from checkend.api.decorators import response
from checkend.api.lookups import with_app
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.models import App
from checkend.models.problem_list import count_tags
from checkend.schemas.tag import CountedTagSchema

bp = Blueprint("app_tags", __name__)
bp.before_request(authenticate)


@bp.get("/apps/<app_id>/tags")
@requires("tags:read")
@with_app
@response(CountedTagSchema(many=True))
def index(app: App) -> list[dict[str, Any]]:
    """List the tags that the problems of an app have, by name."""
    return count_tags(app)
