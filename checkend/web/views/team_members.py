"""The members of a team and its apps."""

from flask import abort, request, url_for
from werkzeug.wrappers import Response

from checkend.auth.roles import Capability, grantable_roles, require
from checkend.auth.sessions import current_user
from checkend.exceptions import DomainError
from checkend.models import Team, TeamMember, User
from checkend.models.team import Role
from checkend.web.lookups import app_for, get_or_404, team_for
from checkend.web.pages import run_and_redirect, signed_in_blueprint

bp = signed_in_blueprint("team_members", "/teams/<slug>")


@bp.post("/members")
def add(slug: str) -> Response:
    """Take in someone who has an account, by address. Only for who may list users: others invite."""
    team = team_for(Capability.MANAGE_MEMBERS, slug)
    require(current_user(), Capability.MANAGE_USERS)

    def take_in() -> None:
        user = User.with_email_address(request.form.get("email_address", ""))
        if user is None:
            raise DomainError("No user has this address; invite them instead.")
        team.add_member(user, granted_role(team))

    return run_and_redirect(take_in, "The team has a new member.", url_for("teams.show", slug=team.slug))


@bp.post("/members/<int:member_id>")
def change_role(slug: str, member_id: int) -> Response:
    """Give a member another role: none above one's own."""
    team = team_for(Capability.MANAGE_MEMBERS, slug)
    member = _manageable(team, member_id)
    back = url_for("teams.show", slug=team.slug)
    return run_and_redirect(lambda: member.set_role(granted_role(team)), "The role is changed.", back)


@bp.post("/members/<int:member_id>/remove")
def remove(slug: str, member_id: int) -> Response:
    """Take a member out of the team."""
    team = team_for(Capability.MANAGE_MEMBERS, slug)
    member = _manageable(team, member_id)
    return run_and_redirect(member.remove, "The member is removed.", url_for("teams.show", slug=team.slug))


@bp.post("/leave")
def leave(slug: str) -> Response:
    """Leave the team; its owner hands it over first."""
    team = team_for(Capability.SEE_TEAM, slug)
    member = team.member(current_user())

    def go() -> None:
        if member is None:
            raise DomainError("You are not a member of this team.")
        if team.owner_id == member.user_id:
            raise DomainError("You own this team; hand it over first.")
        member.remove()

    return run_and_redirect(go, f"You have left {team.name}.", url_for("teams.index"))


@bp.post("/apps")
def assign_app(slug: str) -> Response:
    """Assign an app that one administers to the team."""
    team = team_for(Capability.ASSIGN_APPS, slug)
    app = app_for(Capability.DELETE_APP, request.form.get("app", ""))
    return run_and_redirect(lambda: team.assign(app), f"{app.name} is assigned.", url_for("teams.show", slug=team.slug))


@bp.post("/apps/<app_slug>/remove")
def remove_app(slug: str, app_slug: str) -> Response:
    """Take an app away from the team. It and its problems stay."""
    team = team_for(Capability.ASSIGN_APPS, slug)
    app = app_for(Capability.SEE_APP, app_slug)
    if app not in team.apps:
        abort(404)
    back = url_for("teams.show", slug=team.slug)
    return run_and_redirect(lambda: team.unassign(app), f"{app.name} is taken away.", back)


def granted_role(team: Team) -> Role:
    """The role that the form names. Raises `DomainError` for one that the user may not give."""
    wanted = request.form.get("role", "")
    for role in grantable_roles(current_user(), team):
        if role == wanted:
            return role
    raise DomainError("You cannot give this role.")


def _manageable(team: Team, member_id: int) -> TeamMember:
    """The member; aborts with 403 for one whose role is above the user's own, as the owner's is."""
    member = get_or_404(TeamMember, member_id, team_id=team.id)
    standing: Role = "owner" if member.user_id == team.owner_id else member.role
    if standing not in grantable_roles(current_user(), team):
        abort(403)
    return member
