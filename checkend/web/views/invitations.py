"""Invitations to teams: creating, revoking and accepting them."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_login import current_user as session_user
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField

from checkend import clock
from checkend.auth import sessions
from checkend.auth.login_throttle import login_throttle
from checkend.auth.roles import Capability
from checkend.auth.sessions import current_user
from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError, DomainError
from checkend.models import Invitation, OutgoingMail, User
from checkend.models.invitation import NO_LONGER_OPEN
from checkend.models.user import NewPassword
from checkend.notifications import mail, outgoing_mail
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import get_or_404, team_for
from checkend.web.one_time_secrets import redirect_with_secret
from checkend.web.pages import run_and_redirect, signed_in_blueprint
from checkend.web.urls import full_url
from checkend.web.views.team_members import selected_role
from checkend.web.views.teams import team_page

bp = signed_in_blueprint("invitations", "/teams/<slug>/invitations")
public_bp = Blueprint("invitation", __name__)

MAIL = """{inviter} has invited you to join the team {team} at {server} with the role {role}.

To join, open this link until {until}:
{link}
"""


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
                link = full_url("invitation.join", token=token)
                mailed = mail.is_configured()
                if mailed:
                    _queue_mail(invitation, link)
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
    return run_and_redirect(lambda: _resend(invitation), message, url_for("teams.show", slug=team.slug))


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


def _resend(invitation: Invitation) -> None:
    if not mail.is_configured():
        raise DomainError("This server cannot send mail. Ask a site admin to set it up.")
    waiting = OutgoingMail.of_invitations([invitation]).get(invitation.id)
    if waiting is not None and waiting.status == "pending":
        waiting.next_attempt_at = clock.now()
    else:
        _queue_mail(invitation, full_url("invitation.join", token=invitation.renew_token()))


def _queue_mail(invitation: Invitation, link: str) -> None:
    team, server = invitation.team, current_app.config["URL"]
    inviter = invitation.invited_by.email_address if invitation.invited_by else "An admin"
    until = f"{invitation.expires_at:%-d %B %Y, %H:%M} UTC"
    text = MAIL.format(inviter=inviter, team=team.name, server=server, role=invitation.role, until=until, link=link)
    subject = f"Join {team.name} at Checkend"
    outgoing_mail.queue(
        invitation.email_address, subject, text, expires_at=invitation.expires_at, invitation=invitation
    )
