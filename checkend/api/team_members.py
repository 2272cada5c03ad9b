"""The members of a team: /api/v1/teams/:team_id/members."""

from typing import Any

from flask import Blueprint

from checkend.api.decorators import body, response
from checkend.api.lookups import resolve_reference, with_member, with_team
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.exceptions import DomainError
from checkend.models import Team, TeamMember, User
from checkend.schemas.team import MemberSchema, NewMemberSchema

bp = Blueprint("team_members", __name__)
bp.before_request(authenticate)


@bp.get("/teams/<team_id>/members")
@requires("teams:read")
@with_team
@response(MemberSchema(many=True))
def index(team: Team) -> list[TeamMember]:
    """List the members of a team, the highest role first, then the oldest first."""
    return team.ranked_members()


@bp.post("/teams/<team_id>/members")
@requires("teams:write")
@with_team
@body(NewMemberSchema())
@response(MemberSchema(), 201)
def create(team: Team, data: dict[str, Any]) -> TeamMember:
    """Add a user to a team. A user who is already a member is rejected."""
    return team.add_member(_resolve_user(data), data.get("role", "member"))


@bp.route("/teams/<team_id>/members/<member_id>", methods=["PATCH", "PUT"])
@requires("teams:write")
@with_member
@body(MemberSchema(), partial=True)
@response(MemberSchema())
def update(member: TeamMember, data: dict[str, Any]) -> TeamMember:
    """Change a member's role. Demoting the last admin is rejected."""
    member.set_role(data.get("role", member.role))
    return member


@bp.delete("/teams/<team_id>/members/<member_id>")
@requires("teams:write")
@with_member
@response(status=204)
def delete(member: TeamMember) -> None:
    """Remove a member from a team. The last admin is rejected."""
    member.remove()


def _resolve_user(data: dict[str, Any]) -> User:
    """Return the user with the id and the email address in ``data``. Raise `DomainError` if they differ."""
    user_with_address = User.with_email_address(data["email_address"]) if "email_address" in data else None
    if "user_id" not in data:
        if user_with_address is None:
            raise DomainError("User not found")
        return user_with_address
    user = resolve_reference(User, data["user_id"], "User not found")
    if "email_address" in data and user is not user_with_address:
        raise DomainError("User id and email address belong to different users.")
    return user
