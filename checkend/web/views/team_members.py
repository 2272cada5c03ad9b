"""The members and apps of a team."""

from flask import abort, request, url_for
from werkzeug.wrappers import Response

from checkend.auth.roles import Capability, grantable_roles, require
from checkend.auth.sessions import current_user
from checkend.exceptions import DomainError
from checkend.models import Team, TeamMember, User
from checkend.models.team import Role
from checkend.models.user import normalize_email_address
from checkend.web.lookups import app_for, get_or_404, team_for
from checkend.web.pages import run_and_redirect, signed_in_blueprint

bp = signed_in_blueprint("team_members", "/teams/<slug>")


@bp.post("/members")
def add(slug: str) -> Response:
    """Add a user by email address. Only for those who may list users; others send invitations."""
    team = team_for(Capability.MANAGE_MEMBERS, slug)
    require(current_user(), Capability.MANAGE_USERS)
    email_address = normalize_email_address(request.form.get("email_address", ""))

    def add_member() -> None:
        user = User.with_email_address(email_address)
        if user is None:
            raise DomainError("No user has this email address. Send an invitation instead.")
        team.add_member(user, selected_role(team))

    return run_and_redirect(add_member, f"Added {email_address} to the team.", _team_url(team))


@bp.post("/members/<int:member_id>")
def change_role(slug: str, member_id: int) -> Response:
    """Change the role of a member, to the user's own at most."""
    team = team_for(Capability.MANAGE_MEMBERS, slug)
    member = _manageable_member(team, member_id)
    message = f"Changed the role of {member.user.email_address}."
    return run_and_redirect(lambda: member.set_role(selected_role(team)), message, _team_url(team))


@bp.post("/members/<int:member_id>/remove")
def remove(slug: str, member_id: int) -> Response:
    """Remove a member from the team."""
    team = team_for(Capability.MANAGE_MEMBERS, slug)
    member = _manageable_member(team, member_id)
    return run_and_redirect(member.remove, f"Removed {member.user.email_address} from the team.", _team_url(team))


@bp.post("/leave")
def leave(slug: str) -> Response:
    """Leave the team. The owner has to transfer it first."""
    team = team_for(Capability.SEE_TEAM, slug)

    def remove_current_user() -> None:
        member = team.member(current_user())
        if member is None:
            raise DomainError("You are not a member of this team.")
        if team.owner_id == member.user_id:
            raise DomainError("You own this team. Transfer it to another member first.")
        member.remove()

    return run_and_redirect(remove_current_user, f"You have left the team {team.name}.", url_for("teams.index"))


@bp.post("/apps")
def assign_app(slug: str) -> Response:
    """Assign an app to the team. The user must be an admin of both."""
    team = team_for(Capability.ASSIGN_APPS, slug)
    app = app_for(Capability.DELETE_APP, request.form.get("app", ""))
    return run_and_redirect(lambda: team.assign(app), f"Assigned app '{app.name}' to the team.", _team_url(team))


@bp.post("/apps/<app_slug>/remove")
def remove_app(slug: str, app_slug: str) -> Response:
    """Remove an app from the team. The app and its problems are kept."""
    team = team_for(Capability.ASSIGN_APPS, slug)
    app = app_for(Capability.SEE_APP, app_slug)
    if app not in team.apps:
        abort(404)
    return run_and_redirect(lambda: team.unassign(app), f"Removed app '{app.name}' from the team.", _team_url(team))


def selected_role(team: Team) -> Role:
    """Return the role selected in the form. Raises `DomainError` for one that the user may not grant."""
    selected = request.form.get("role", "")
    for role in grantable_roles(current_user(), team):
        if role == selected:
            return role
    raise DomainError("You cannot grant this role.")


def _manageable_member(team: Team, member_id: int) -> TeamMember:
    """Return the member; abort with 403 if the member's role is higher than the user's."""
    member = get_or_404(TeamMember, member_id, team_id=team.id)
    role: Role = "owner" if member.user_id == team.owner_id else member.role
    if role not in grantable_roles(current_user(), team):
        abort(403)
    return member


def _team_url(team: Team) -> str:
    return url_for("teams.show", slug=team.slug)
