"""Invitations to a team: /api/v1/teams/:team_id/invitations."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, g

from checkend.api.decorators import body, response
from checkend.api.lookups import with_invitation, with_team
from checkend.auth.api_keys import authenticate, require_permission
from checkend.auth.decorators import requires
from checkend.auth.login_throttle import login_throttle
from checkend.db.session import db
from checkend.models import ApiKey, Invitation, OutgoingMail, Team
from checkend.models.invitation import permissions_to_invite
from checkend.notifications.invitation_mail import invitation_url, queue_invitation, resend_invitation
from checkend.schemas.invitation import InvitationSchema, InvitationWithUrlSchema

bp = Blueprint("invitations", __name__)
bp.before_request(authenticate)


@bp.get("/teams/<team_id>/invitations")
@requires("teams:read")
@with_team
@response(InvitationSchema(many=True))
def index(team: Team) -> list[dict[str, Any]]:
    """List the open invitations to a team, newest first."""
    return _with_mail(Invitation.open_of(team))


@bp.post("/teams/<team_id>/invitations")
@requires("teams:write")
@with_team
@body(InvitationSchema())
@response(InvitationWithUrlSchema(), 201, located=True)
def create(team: Team, data: dict[str, Any]) -> dict[str, Any]:
    """Invite someone to a team; if mail is configured, the link is mailed. Only this response contains it.

    Inviting someone without an account also requires users:write. The invitation ends with the key that sent it.
    """
    for permission in sorted(permissions_to_invite(data["email_address"])):
        require_permission(permission)
    key = db.session.get_one(ApiKey, g.api_key.key_id)
    invitation, token = Invitation.create(team, data["email_address"], data.get("role", "member"), key)
    queue_invitation(invitation, token)
    return _with_mail([invitation])[0] | {"url": invitation_url(token)}


@bp.get("/teams/<team_id>/invitations/<invitation_id>")
@requires("teams:read")
@with_invitation
@response(InvitationSchema())
def show(invitation: Invitation) -> dict[str, Any]:
    """Show an open invitation."""
    return _with_mail([invitation])[0]


@bp.post("/teams/<team_id>/invitations/<invitation_id>/resend")
@requires("teams:write")
@with_invitation
@response(InvitationSchema())
def resend(invitation: Invitation) -> dict[str, Any]:
    """Mail an invitation again, with a new link unless the mail with the current one is still waiting."""
    login_throttle().take(f"invitation {invitation.id}")
    resend_invitation(invitation)
    return _with_mail([invitation])[0]


@bp.delete("/teams/<team_id>/invitations/<invitation_id>")
@requires("teams:write")
@with_invitation
@response(status=204)
def delete(invitation: Invitation) -> None:
    """Revoke an open invitation, so that its link stops working."""
    invitation.revoke()


def _with_mail(invitations: Sequence[Invitation]) -> list[dict[str, Any]]:
    """Return what the API shows of the invitations."""
    db.session.flush()
    mails = OutgoingMail.of_invitations(invitations)
    return [_describe(invitation, mails.get(invitation.id)) for invitation in invitations]


def _describe(invitation: Invitation, mail: OutgoingMail | None) -> dict[str, Any]:
    user, key = invitation.invited_by, invitation.invited_with
    return {
        "id": invitation.id,
        "team_id": invitation.team_id,
        "email_address": invitation.email_address,
        "role": invitation.role,
        "invited_by": user.email_address if user else key.name if key else None,
        "mail_status": mail.status if mail else None,
        "mail_error": mail.last_error if mail else None,
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
    }
