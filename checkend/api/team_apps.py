"""The apps of a team: /api/v1/teams/:team_id/apps."""

from typing import Any

from flask import Blueprint

from checkend.api.decorators import body, response
from checkend.api.lookups import resolve_reference, with_team, with_team_and_app
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.exceptions import DomainError
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
    """List the apps that are assigned to a team, by name."""
    return team.apps


@bp.post("/teams/<team_id>/apps")
@requires("teams:write")
@with_team
@body(AssignmentSchema())
@response(MessageSchema(), 201)
def create(team: Team, data: dict[str, Any]) -> dict[str, str]:
    """Assign an app to a team. Assigning it again changes nothing."""
    apps = {resolve_reference(App, reference, "App not found") for reference in data.values()}
    if len(apps) > 1:
        raise DomainError("The body identifies more than one app.")
    team.assign(apps.pop())
    return {"message": "App assigned to team successfully"}


@bp.delete("/teams/<team_id>/apps/<app_id>")
@requires("teams:write")
@with_team_and_app
@response(status=204)
def delete(team: Team, app: App) -> None:
    """Unassign an app from a team. The app itself stays; one that is not assigned is no error."""
    team.unassign(app)
