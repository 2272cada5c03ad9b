"""Invitations into teams: making and revoking them, and following their links."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_login import current_user as session_user
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField

from checkend.auth import sessions
from checkend.auth.roles import Capability
from checkend.auth.sessions import current_user
from checkend.db.transactions import begin_writing, commit
from checkend.exceptions import ApiError
from checkend.models import Invitation, User
from checkend.models.user import NewPassword
from checkend.notifications import mail
from checkend.notifications.mail_queue import send_later
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import get_or_404, team_for
from checkend.web.one_time_secrets import redirect_with_secret
from checkend.web.pages import run_and_redirect, signed_in_blueprint
from checkend.web.urls import full_url
from checkend.web.views.team_members import granted_role
from checkend.web.views.teams import team_page

bp = signed_in_blueprint("invitations", "/teams/<slug>/invitations")
public_bp = Blueprint("invitation", __name__)

MAIL = """{who} invites you to the team {team} at {server}, as {role}.

Join here, within seven days:
{link}
"""


class InvitationForm(Form):
    """Whom to invite."""

    email_address = EmailField("Email address", [SchemaValidator(UserSchema, "email_address")])


class JoinForm(Form):
    """What someone needs who has no account yet."""

    password = PasswordField("Password", [SchemaValidator(UserSchema, "password")])


@bp.post("")
def create(slug: str) -> Any:
    """Invite someone: mail the link where mail is set up, and redirect to the team's page, which shows it once."""
    team = team_for(Capability.INVITE, slug)
    form = InvitationForm()
    if not form.validate():
        return team_page(team, invitation_form=form)
    made = form.attempt(lambda: Invitation.create(team, form.email_address.data, granted_role(team), current_user()))
    if made is None:
        return team_page(team, invitation_form=form)
    invitation, token = made
    commit()
    link = full_url("invitation.join", token=token)
    shown = {"email_address": invitation.email_address, "role": invitation.role, "link": link}
    return redirect_with_secret(url_for("teams.show", slug=team.slug), **shown, mailed=_mail(invitation, link))


@bp.post("/<int:invitation_id>/revoke")
def revoke(slug: str, invitation_id: int) -> Response:
    """Make an invitation's link useless."""
    team = team_for(Capability.INVITE, slug)
    invitation = get_or_404(Invitation, invitation_id, team_id=team.id)
    return run_and_redirect(invitation.revoke, "The invitation is revoked.", url_for("teams.show", slug=team.slug))


@public_bp.route("/invitations/<token>", methods=["GET", "POST"])
def join(token: str) -> Any:
    """Accept an invitation: as who is signed in, or with a new account for the address that was invited."""
    invitation = _open(token)
    form = JoinForm()
    known = User.with_email_address(invitation.email_address) is not None
    signed_in = session_user.is_authenticated
    ready = request.method == "POST" and (signed_in or (not known and form.validate()))
    if ready and form.carries_out(lambda: _accept(token, form)):
        commit()
        flash(f"You are in the team {invitation.team.name}.")
        return redirect(url_for("teams.show", slug=invitation.team.slug))
    return render_template("invitations/join.html", invitation=invitation, form=form, known=known), form.status


def _open(token: str) -> Invitation:
    invitation = Invitation.with_token(token)
    if invitation is None or not invitation.is_open or not invitation.is_authorized:
        raise ApiError(404, "This invitation has been used or revoked, or is older than seven days. Ask for a new one.")
    return invitation


def _accept(token: str, form: JoinForm) -> None:
    password = None if session_user.is_authenticated else NewPassword(form.password.data)
    begin_writing()
    invitation = _open(token)  # again, as the only writer: of two who use a link at once, one is the first
    if password is None:
        invitation.accept(current_user())
        return
    user = User.create(invitation.email_address, password)
    invitation.accept(user)
    sessions.sign_in(user)


def _mail(invitation: Invitation, link: str) -> bool:
    """Mail the invitation after the response; return whether mail is set up. The page has the link to copy as well."""
    if not mail.is_configured(current_app.config):
        return False
    team, server = invitation.team, current_app.config["URL"]
    text = MAIL.format(who=current_user().email_address, team=team.name, server=server, role=invitation.role, link=link)
    send_later(invitation.email_address, f"Join {team.name} at Checkend", text)
    return True
