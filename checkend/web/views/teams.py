"""Teams: the list, making and renaming one, handing over and deleting it, and the page that shows it all."""

from typing import Any

from flask import current_app, flash, redirect, render_template, request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response
from wtforms import StringField

from checkend.auth.roles import Capability, apps_with, can, grantable_roles, require, visible_teams
from checkend.auth.sessions import current_user
from checkend.db.session import db
from checkend.db.transactions import commit
from checkend.models import App, Invitation, Team, TeamApp, TeamMember
from checkend.models.team import ROLES
from checkend.notifications import mail
from checkend.schemas.team import TeamSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import get_or_404, team_for
from checkend.web.one_time_secrets import pop_secret
from checkend.web.pages import Page, run_and_redirect, signed_in_blueprint

bp = signed_in_blueprint("teams", "/teams")

ROLE_MEANINGS = {
    "owner": "everything, and deletes the team or hands it over",
    "admin": "also deletes apps, regenerates keys, manages members, apps and invitations",
    "developer": "also creates apps and changes their settings",
    "member": "also resolves and tags problems",
    "viewer": "sees apps, problems and notices",
}


class TeamForm(Form):
    """A team's name."""

    name = StringField("Name", [SchemaValidator(TeamSchema, "name")])


@bp.get("")
def index() -> Page:
    """The teams that one may see, with how many members and apps each has."""
    return _index(TeamForm(formdata=None))


@bp.post("")
def create() -> Any:
    """Make a team, of which one becomes the owner."""
    require(current_user(), Capability.CREATE_TEAM)
    form = TeamForm()
    if form.validate():
        team = Team.create(form.name.data, current_user())
        commit()
        return redirect(url_for("teams.show", slug=team.slug))
    return _index(form)


@bp.get("/<slug>")
def show(slug: str) -> Page:
    """Show the team's members, apps and open invitations, and the link of one that was just created, once."""
    return team_page(team_for(Capability.SEE_TEAM, slug), invited=pop_secret())


@bp.post("/<slug>")
def rename(slug: str) -> Any:
    """Give the team another name; its address stays."""
    team = team_for(Capability.EDIT_TEAM, slug)
    form = TeamForm()
    if form.validate():
        team.rename(form.name.data)
        commit()
        flash("The team has its new name.")
        return redirect(url_for("teams.show", slug=team.slug))
    return team_page(team, form)


@bp.post("/<slug>/owner")
def hand_over(slug: str) -> Response:
    """Give the team to another of its members."""
    team = team_for(Capability.HAND_OVER_TEAM, slug)
    member = get_or_404(TeamMember, request.form.get("member", 0, type=int), team_id=team.id)
    done = f"{member.user.email_address} owns the team now."
    return run_and_redirect(lambda: team.hand_over(member.user), done, url_for("teams.show", slug=team.slug))


@bp.post("/<slug>/delete")
def delete(slug: str) -> Response:
    """Delete the team, once its name was typed. Its apps stay, for site admins and their other teams."""
    team = team_for(Capability.DELETE_TEAM, slug)
    if request.form.get("confirm", "").strip() != team.name:
        flash("The team was not deleted: that was not its name.", "error")
        return redirect(url_for("teams.show", slug=team.slug))
    return run_and_redirect(team.delete, f"{team.name} is deleted.", url_for("teams.index"))


def team_page(team: Team, form: TeamForm | None = None, invitation_form: Form | None = None, **more: Any) -> Page:
    """The team's page; with a form what was typed into it, and what is wrong with that."""
    shown = form or TeamForm(formdata=None, name=team.name)
    status = invitation_form.status if invitation_form else shown.status
    html = render_template(
        "teams/show.html",
        team=team,
        form=shown,
        members=team.ranked_members(),
        roles=grantable_roles(current_user(), team),
        meanings=ROLE_MEANINGS,
        assignable=_assignable(team) if can(current_user(), Capability.ASSIGN_APPS, team) else [],
        invitations=Invitation.open_of(team) if can(current_user(), Capability.INVITE, team) else [],
        by_mail=mail.is_configured(current_app.config),
        invitation_form=invitation_form,
        **more,
    )
    return html, status


def _index(form: TeamForm) -> Page:
    members = select(func.count()).where(TeamMember.team_id == Team.id).scalar_subquery()
    apps = select(func.count()).where(TeamApp.team_id == Team.id).scalar_subquery()
    wanted = select(Team, members, apps).order_by(Team.name)
    teams = db.session.execute(visible_teams(current_user()).narrow(wanted, Team.id)).all()
    return render_template("teams/index.html", teams=teams, form=form, roles=ROLES, meanings=ROLE_MEANINGS), form.status


def _assignable(team: Team) -> list[App]:
    """The apps that one administers and that the team does not have."""
    wanted = select(App).where(App.id.not_in([app.id for app in team.apps])).order_by(App.name)
    return list(db.session.scalars(apps_with(current_user(), Capability.DELETE_APP).narrow(wanted, App.id)))
