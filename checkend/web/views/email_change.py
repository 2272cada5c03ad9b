"""Changes of a user's email address: confirmed by a link sent to the new one if mail is configured, else immediate."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for

from checkend import clock
from checkend.auth import email_confirmation
from checkend.auth.login_throttle import login_throttle
from checkend.auth.password_reset import VALID_HOURS
from checkend.config.urls import full_url
from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError
from checkend.models import User
from checkend.models.user import normalize_email_address
from checkend.notifications import mail, outgoing_mail
from checkend.web.forms import Form

bp = Blueprint("email_change", __name__)

CHANGED_MESSAGE = "Your email address has been changed."
CONFIRMATION_MAIL = """Someone, hopefully you, wants to use this email address instead of {old} to sign in to {server}.

To confirm it, open this link within {hours} hours:
{link}

If this was not you, you can ignore this message: the email address of the account will not change.
"""
NOTIFICATION_MAIL = """The email address of your account at {server} was changed from {old} to {new}.

If this was not you, contact a site admin of that server immediately.
"""


def change_or_confirm(user: User, email_address: str) -> str:
    """Change the email address of ``user``, or mail a confirmation link; return the message for the user.

    Raises `DomainError` if another user has the email address.
    """
    email_address = normalize_email_address(email_address)
    if not mail.is_configured() or email_address == user.email_address:
        with write_transaction():
            user.set_email_address(email_address)
        return CHANGED_MESSAGE
    user.require_available_email_address(email_address)
    login_throttle().take(f"email change of {user.id}")  # limits the mail that a user can have sent to anyone
    link = full_url("email_change.confirm", token=email_confirmation.create_token(user, email_address))
    server, old = current_app.config["URL"], user.email_address
    text = CONFIRMATION_MAIL.format(server=server, old=old, hours=VALID_HOURS, link=link)
    expires_at = clock.now() + timedelta(hours=VALID_HOURS)
    with write_transaction():
        outgoing_mail.queue(email_address, "Confirm your email address for Checkend", text, expires_at=expires_at)
    return f"We are sending a confirmation link to {email_address}. Open it to complete the change."


@bp.route("/confirm-email/<token>", methods=["GET", "POST"])
def confirm(token: str) -> Any:
    """Change the email address with a link. GET changes nothing, because mail scanners follow links."""
    user, new = _read_token(token)
    form = Form()
    if request.method == "POST":
        with form.catch_domain_errors():
            with write_transaction():
                # Read the token again: of two requests that use a link at the same time, only the first may succeed.
                user, new = _read_token(token)
                old = user.email_address
                user.set_email_address(new)
                text = NOTIFICATION_MAIL.format(server=current_app.config["URL"], old=old, new=new)
                outgoing_mail.queue(old, "Your email address for Checkend was changed", text)
            flash(CHANGED_MESSAGE)
            return redirect(url_for("account.profile"))
    return render_template("auth/confirm_email.html", form=form, old=user.email_address, new=new), form.status


def _read_token(token: str) -> tuple[User, str]:
    change = email_confirmation.read_token(token)
    if change is None:
        raise ApiError(
            404, "This link has already been used or is older than 24 hours. Change the email address again."
        )
    return change
