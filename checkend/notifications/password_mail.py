"""The mail with a link to set a new password, for the user who forgot the old one."""

from datetime import timedelta
from typing import Any

from flask import current_app, g

from checkend import clock
from checkend.auth import password_reset
from checkend.models import User, audit_log
from checkend.notifications.outgoing_mail import queue_password_link

SUBJECT = "Set a new password for Checkend"
TEXT = """Someone, hopefully you, requested a new password for {email_address} at {server}.

To set it, open this link within {hours} hours:
{link}

If this was not you, you can ignore this message: your password will not change.
"""


def queue_link(email_address: str, link_prefix: str) -> None:
    """Queue the mail for the user with this email address, if there is one; for a write transaction.

    ``link_prefix`` is the link without its token.
    """
    request = {"prefix": link_prefix, **audit_log.current_origin().as_dict()}
    expires_at = clock.now() + timedelta(hours=password_reset.VALID_HOURS)
    queue_password_link(email_address, SUBJECT, request, expires_at)


def write_text(email_address: str, request: dict[str, Any]) -> tuple[str, str] | None:
    """Return the user's email address and the text of the mail; None if there is no such user.

    ``request`` is what `queue_link` queued.
    """
    user = User.with_email_address(email_address)
    if user is None:
        return None
    g.audit_origin = audit_log.Origin.from_dict(request)
    link = request["prefix"] + password_reset.create_token(user)
    del g.audit_origin
    hours, server = password_reset.VALID_HOURS, current_app.config["URL"]
    return user.email_address, TEXT.format(email_address=user.email_address, server=server, hours=hours, link=link)
