"""Teams: list, creation, renaming, transfer, deletion, and the page with their members and apps."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response
from wtforms import StringField

from checkend.auth.roles import Capability, apps_with, can, grantable_roles, require, visible_teams
from checkend.auth.sessions import current_user
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import App, Invitation, OutgoingMail, Team, TeamApp, TeamMember
from checkend.notifications import mail
from checkend.schemas.team import TeamSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import get_or_404, team_for
from checkend.web.one_time_secrets import pop_secret
from checkend.web.pages import Page, run_and_redirect, signed_in_blueprint

bp = signed_in_blueprint("teams", "/teams")

ROLE_DESCRIPTIONS = {
    "owner": "can do everything an admin can, and can transfer or delete the team",
    "admin": "can also delete apps, regenerate keys, and manage members, apps and invitations",
    "developer": "can also create apps, change their settings and delete problems",
    "member": "can also resolve and tag problems",
    "viewer": "can see apps, problems and notices",
}


class TeamForm(Form):
    """The name of a team."""

    name = StringField("Name", [SchemaValidator(TeamSchema, "name")])


@bp.get("")
def index() -> Page:
    """List the teams that the user may see, with the numbers of their members and apps."""
    return _teams_page(TeamForm(formdata=None))


@bp.post("")
def create() -> Any:
    """Create a team that the user owns."""
    require(current_user(), Capability.CREATE_TEAM)
    form = TeamForm()
    if form.validate():
        with write_transaction():
            team = Team.create(form.name.data, current_user())
        return redirect(url_for("teams.show", slug=team.slug))
    return _teams_page(form)


@bp.get("/<slug>")
def show(slug: str) -> Page:
    """Show the team's members, apps and open invitations, and once the link of an invitation just created."""
    return team_page(team_for(Capability.SEE_TEAM, slug), created_invitation=pop_secret())


@bp.post("/<slug>")
def rename(slug: str) -> Any:
    """Rename the team. Its URL stays the same."""
    team = team_for(Capability.EDIT_TEAM, slug)
    form = TeamForm()
    if form.validate():
        with write_transaction():
            team.rename(form.name.data)
        flash(f"Renamed the team to '{team.name}'.")
        return redirect(url_for("teams.show", slug=team.slug))
    return team_page(team, form)


@bp.post("/<slug>/owner")
def hand_over(slug: str) -> Response:
    """Transfer the team to another member."""
    team = team_for(Capability.TRANSFER_TEAM, slug)
    member = get_or_404(TeamMember, request.form.get("member", 0, type=int), team_id=team.id)
    message = f"{member.user.email_address} is now the owner of the team."
    return run_and_redirect(lambda: team.transfer_to(member.user), message, url_for("teams.show", slug=team.slug))


@bp.post("/<slug>/delete")
def delete(slug: str) -> Response:
    """Delete the team if its name was entered as confirmation. Its apps are kept."""
    team = team_for(Capability.DELETE_TEAM, slug)
    if request.form.get("confirm", "").strip() != team.name:
        flash("The team was not deleted because the name you entered does not match.", "error")
        return redirect(url_for("teams.show", slug=team.slug))
    return run_and_redirect(team.delete, f"Deleted team '{team.name}'.", url_for("teams.index"))


def team_page(team: Team, form: TeamForm | None = None, invitation_form: Form | None = None, **context: Any) -> Page:
    """Return the team's page; forms that were submitted are shown with their values and errors."""
    form = form or TeamForm(formdata=None, name=team.name)
    invitations = Invitation.open_of(team) if can(current_user(), Capability.INVITE, team) else []
    html = render_template(
        "teams/show.html",
        team=team,
        form=form,
        members=team.ranked_members(),
        roles=grantable_roles(current_user(), team),
        role_descriptions=ROLE_DESCRIPTIONS,
        assignable_apps=_assignable_apps(team) if can(current_user(), Capability.ASSIGN_APPS, team) else [],
        invitations=invitations,
        mails=OutgoingMail.of_invitations(invitations) if invitations else {},
        mail_configured=mail.is_configured(),
        invitation_form=invitation_form,
        **context,
    )
    return html, (invitation_form or form).status


def _teams_page(form: TeamForm) -> Page:
    members = select(func.count()).where(TeamMember.team_id == Team.id).scalar_subquery()
    apps = select(func.count()).where(TeamApp.team_id == Team.id).scalar_subquery()
    statement = select(Team, members, apps).order_by(Team.name)
    teams = db.session.execute(visible_teams(current_user()).narrow(statement, Team.id)).all()
    html = render_template("teams/index.html", teams=teams, form=form, role_descriptions=ROLE_DESCRIPTIONS)
    return html, form.status


def _assignable_apps(team: Team) -> list[App]:
    """Return the apps that the user is an admin of and that are not assigned to the team yet."""
    scope = apps_with(current_user(), Capability.DELETE_APP)
    statement = select(App).where(App.id.not_in([app.id for app in team.apps])).order_by(App.name)
    return list(db.session.scalars(scope.narrow(statement, App.id)))
