"""Changing one's email address: at once where no mail is set up, else when the new one is confirmed by a link."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for

from checkend.auth import email_confirmation
from checkend.auth.login_throttle import login_throttle
from checkend.auth.password_reset import VALID_HOURS
from checkend.db.transactions import begin_writing, commit
from checkend.exceptions import ApiError
from checkend.models import User
from checkend.models.user import normalize_email_address
from checkend.notifications import mail
from checkend.notifications.mail_queue import send_later
from checkend.web.forms import Form
from checkend.web.urls import full_url

bp = Blueprint("email_change", __name__)

CONFIRM = """Someone, hopefully you, wants to sign in to {server} with this email address instead of {old}.

Confirm it here, within {hours} hours:
{link}

If it was not you, do nothing: the account keeps its email address.
"""
NOTIFY = """The email address of your account at {server} was changed from {old} to {new}.

If it was not you, ask a site admin of that server for help now.
"""


def change_or_confirm(user: User, address: str) -> str:
    """Change the email address of ``user``, or mail a link that does; return what to tell them.

    Raises `DomainError` when another user has the address.
    """
    address = normalize_email_address(address)
    if not mail.is_configured(current_app.config) or address == user.email_address:
        begin_writing()
        user.set_email_address(address)
        return "Your email address is changed."
    user.require_available_email_address(address)
    login_throttle().take(f"email change of {user.id}")  # or one could have mail sent to anyone, any number of times
    link = full_url("email_change.confirm", token=email_confirmation.create_token(user, address))
    server, old = current_app.config["URL"], user.email_address
    send_later(
        address,
        "Confirm your email address for Checkend",
        CONFIRM.format(server=server, old=old, hours=VALID_HOURS, link=link),
    )
    return f"We have sent a link to {address}. Your email address changes when you confirm it there."


@bp.route("/confirm-email/<token>", methods=["GET", "POST"])
def confirm(token: str) -> Any:
    """Change the email address with a link. A visit alone changes nothing: mail scanners follow links."""
    user, address = _change_of(token)
    form = Form()
    if request.method == "POST" and (old := form.attempt(lambda: _confirm(token))):
        commit()
        text = NOTIFY.format(server=current_app.config["URL"], old=old, new=address)
        send_later(old, "Your email address for Checkend was changed", text)
        flash("Your email address is changed.")
        return redirect(url_for("account.profile"))
    return render_template("auth/confirm_email.html", form=form, old=user.email_address, new=address), form.status


def _change_of(token: str) -> tuple[User, str]:
    found = email_confirmation.read_token(token)
    if found is None:
        raise ApiError(404, "This link has been used, or is older than a day. Change the address again.")
    return found


def _confirm(token: str) -> str:
    """Change the address; return the old one."""
    begin_writing()
    user, address = _change_of(token)  # as the only writer: of two who use a link at once, one is the first
    old = user.email_address
    user.set_email_address(address)
    return old
