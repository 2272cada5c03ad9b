"""Teams: /api/v1/teams."""

from typing import Any

from flask import Blueprint

from checkend.api.decorators import body, response
from checkend.api.lookups import resolve_reference, with_team
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.models import Team, User
from checkend.schemas.team import TeamSchema

bp = Blueprint("teams", __name__)
bp.before_request(authenticate)


@bp.get("/teams")
@requires("teams:read")
@response(TeamSchema(many=True))
def index() -> list[Team]:
    """List all teams, newest first."""
    return Team.newest_first()


@bp.post("/teams")
@requires("teams:write")
@body(TeamSchema())
@response(TeamSchema(), 201, located=True)
def create(data: dict[str, Any]) -> Team:
    """Create a team. Its owner becomes a member with the role admin."""
    return Team.create(data["name"], resolve_reference(User, data["owner_id"], "Owner user not found"))


@bp.get("/teams/<team_id>")
@requires("teams:read")
@with_team
@response(TeamSchema())
def show(team: Team) -> Team:
    """Show a team."""
    return team


@bp.route("/teams/<team_id>", methods=["PATCH", "PUT"])
@requires("teams:write")
@with_team
@body(TeamSchema(), partial=True)
@response(TeamSchema())
def update(team: Team, data: dict[str, Any]) -> Team:
    """Rename a team, or transfer it to another owner. The slug stays the same."""
    if "owner_id" in data:
        team.transfer_to(resolve_reference(User, data["owner_id"], "Owner user not found"))
    team.rename(data.get("name", team.name))
    return team


@bp.delete("/teams/<team_id>")
@requires("teams:write")
@with_team
@response(status=204)
def delete(team: Team) -> None:
    """Delete a team with its memberships and invitations. Its users and apps stay."""
    team.delete()
