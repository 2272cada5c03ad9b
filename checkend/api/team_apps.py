"""The apps of a team: /api/v1/teams/:team_id/apps."""

from typing import Any

from flask import Blueprint

from checkend.api.decorators import body, response
from checkend.api.lookups import named, with_team, with_team_and_app
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.extensions import commit
from checkend.models import App, Team
from checkend.schemas.app import AppSchema
from checkend.schemas.team import AssignmentSchema, MessageSchema

bp = Blueprint("team_apps", __name__)
bp.before_request(authenticate)


@bp.get("/teams/<team_id>/apps")
@requires("teams:read")
@with_team
@response(AppSchema(many=True))
def index(team: Team) -> list[App]:
    """The apps assigned to a team, by name."""
    return team.apps


@bp.post("/teams/<team_id>/apps")
@requires("teams:write")
@with_team
@body(AssignmentSchema())
@response(MessageSchema(), 201)
def create(team: Team, data: dict[str, Any]) -> dict[str, str]:
    """Assign an app to a team; no change when it is assigned."""
    team.assign(named(App, data["app_id"], "App not found"))
    commit()
    return {"message": "App assigned to team successfully"}


@bp.delete("/teams/<team_id>/apps/<app_id>")
@requires("teams:write")
@with_team_and_app
@response(status=204)
def delete(team: Team, app: App) -> None:
    """Take an app away from a team. The app stays."""
    team.apps.remove(app)
    commit()
