"""Mail with the link of an invitation to a team."""

from flask import current_app

from checkend import clock
from checkend.config.urls import full_url
from checkend.exceptions import DomainError
from checkend.models import Invitation, OutgoingMail
from checkend.notifications import mail, outgoing_mail

_TEXT = """{inviter} has invited you to join the team {team} at {server} with the role {role}.

To join, open this link until {until}:
{link}
"""


def invitation_url(token: str) -> str:
    """Return the link of the invitation with this token."""
    return full_url("invitation.join", token=token)


def queue_invitation(invitation: Invitation, token: str) -> bool:
    """Queue mail with the link of the invitation; return whether mail is configured. For a write transaction."""
    if not mail.is_configured():
        return False
    inviter = invitation.invited_by.email_address if invitation.invited_by else "An admin"
    text = _TEXT.format(
        inviter=inviter,
        team=invitation.team.name,
        server=current_app.config["URL"],
        role=invitation.role,
        until=f"{invitation.expires_at:%-d %B %Y, %H:%M} UTC",
        link=invitation_url(token),
    )
    subject = f"Join {invitation.team.name} at Checkend"
    outgoing_mail.queue(
        invitation.email_address, subject, text, expires_at=invitation.expires_at, invitation=invitation
    )
    return True


def resend_invitation(invitation: Invitation) -> None:
    """Mail an invitation again, with a new link unless the mail with the current one is still waiting.

    Raise `DomainError` if mail is not configured, or if the invitation is no longer open or authorized.
    """
    if not mail.is_configured():
        raise DomainError("This server cannot send mail. Ask a site admin to set it up.")
    waiting = OutgoingMail.of_invitations([invitation]).get(invitation.id)
    if waiting is not None and waiting.status == "pending":
        waiting.next_attempt_at = clock.now()
    else:
        queue_invitation(invitation, invitation.renew_token())
