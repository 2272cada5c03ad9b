"""Invitations to teams: creating, revoking and accepting them."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user as session_user
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField

from checkend.auth import sessions
from checkend.auth.login_throttle import login_throttle
from checkend.auth.roles import Capability
from checkend.auth.sessions import current_user
from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError
from checkend.models import Invitation, User
from checkend.models.invitation import NO_LONGER_OPEN
from checkend.models.user import NewPassword
from checkend.notifications.invitation_mail import invitation_url, queue_invitation, resend_invitation
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import get_or_404, team_for
from checkend.web.one_time_secrets import redirect_with_secret
from checkend.web.pages import run_and_redirect, signed_in_blueprint
from checkend.web.views.team_members import selected_role
from checkend.web.views.teams import team_page

bp = signed_in_blueprint("invitations", "/teams/<slug>/invitations")
public_bp = Blueprint("invitation", __name__)


class InvitationForm(Form):
    """The email address to invite."""

    email_address = EmailField("Email address", [SchemaValidator(UserSchema, "email_address")])


class JoinForm(Form):
    """The password of a new account."""

    password = PasswordField("Password", [SchemaValidator(UserSchema, "password")])


@bp.post("")
def create(slug: str) -> Any:
    """Create an invitation, queue mail with its link if mail is configured, and show it once on the team's page."""
    team = team_for(Capability.INVITE, slug)
    form = InvitationForm()
    if form.validate():
        with form.catch_domain_errors():
            with write_transaction():
                role = selected_role(team)
                invitation, token = Invitation.create(team, form.email_address.data, role, current_user())
                mailed = queue_invitation(invitation, token)
            link = invitation_url(token)
            secret = {"email_address": invitation.email_address, "role": invitation.role, "link": link}
            return redirect_with_secret(url_for("teams.show", slug=team.slug), **secret, mailed=mailed)
    return team_page(team, invitation_form=form)


@bp.post("/<int:invitation_id>/revoke")
def revoke(slug: str, invitation_id: int) -> Response:
    """Revoke an invitation, so that its link stops working."""
    team = team_for(Capability.INVITE, slug)
    invitation = get_or_404(Invitation, invitation_id, team_id=team.id)
    message = f"Revoked the invitation for {invitation.email_address}."
    return run_and_redirect(invitation.revoke, message, url_for("teams.show", slug=team.slug))


@bp.post("/<int:invitation_id>/resend")
def resend(slug: str, invitation_id: int) -> Response:
    """Mail an invitation again, with a new link unless the mail with the current one is still waiting."""
    team = team_for(Capability.INVITE, slug)
    invitation = get_or_404(Invitation, invitation_id, team_id=team.id)
    login_throttle().take(f"invitation {invitation.id}")
    message = f"The invitation for {invitation.email_address} will be mailed within a few seconds."
    return run_and_redirect(lambda: resend_invitation(invitation), message, url_for("teams.show", slug=team.slug))


@public_bp.route("/invitations/<token>", methods=["GET", "POST"])
def join(token: str) -> Any:
    """Accept an invitation as the signed-in user, or with a new account for the invited email address."""
    invitation = _open_invitation(token)
    form = JoinForm()
    has_account = User.with_email_address(invitation.email_address) is not None
    signed_in = session_user.is_authenticated
    if request.method == "POST" and (signed_in or (not has_account and form.validate())):
        with form.catch_domain_errors():
            _accept(token, None if signed_in else NewPassword(form.password.data))
            flash(f"You have joined the team {invitation.team.name}.")
            return redirect(url_for("teams.show", slug=invitation.team.slug))
    return render_template(
        "invitations/join.html", invitation=invitation, form=form, has_account=has_account
    ), form.status


def _open_invitation(token: str) -> Invitation:
    invitation = Invitation.with_token(token)
    if invitation is None or not invitation.is_open or not invitation.is_authorized:
        raise ApiError(404, NO_LONGER_OPEN)
    return invitation


def _accept(token: str, password: NewPassword | None) -> None:
    """Accept as the signed-in user or, with ``password``, as a new user, who is signed in."""
    with write_transaction():
        # Look it up again: of two requests that use a link at the same time, only the first may succeed.
        invitation = _open_invitation(token)
        if password is None:
            invitation.accept(current_user())
        else:
            user = User.create(invitation.email_address, password)
            invitation.accept(user)
            sessions.sign_in(user)
