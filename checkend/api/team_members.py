"""The members of a team: /api/v1/teams/:team_id/members."""

from typing import Any

from flask import Blueprint

from checkend.api.decorators import body, response
from checkend.api.lookups import resolve_reference, with_member, with_team
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.db.transactions import commit
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
    """The members of a team: highest role first, then oldest."""
    return team.ranked_members()


@bp.post("/teams/<team_id>/members")
@requires("teams:write")
@with_team
@body(NewMemberSchema())
@response(MemberSchema(), 201)
def create(team: Team, data: dict[str, Any]) -> TeamMember:
    """Take a user, named by id or email address, into a team."""
    member = team.add_member(_user_of(data), data.get("role", "member"))
    commit()
    return member


@bp.route("/teams/<team_id>/members/<member_id>", methods=["PATCH", "PUT"])
@requires("teams:write")
@with_member
@body(MemberSchema(), partial=True)
@response(MemberSchema())
def update(member: TeamMember, data: dict[str, Any]) -> TeamMember:
    """Change a member's role."""
    member.set_role(data.get("role", member.role))
    commit()
    return member


@bp.delete("/teams/<team_id>/members/<member_id>")
@requires("teams:write")
@with_member
@response(status=204)
def delete(member: TeamMember) -> None:
    """Take a user out of a team; refused for its last admin."""
    member.remove()
    commit()


def _user_of(data: dict[str, Any]) -> User:
    addressed = User.with_email_address(data["email_address"]) if "email_address" in data else None
    if "user_id" not in data:
        if addressed is None:
            raise DomainError("User not found")
        return addressed
    user = resolve_reference(User, data["user_id"], "User not found")
    if "email_address" in data and user is not addressed:
        raise DomainError("User id and email address name different users.")
    return user
