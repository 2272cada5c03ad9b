"""Forgotten passwords, which users reset with a link: by mail, or from a site admin."""

from functools import partial
from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired

from checkend.auth import password_reset, sessions
from checkend.auth.login_throttle import login_throttle
from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError
from checkend.models import User, audit_log
from checkend.models.user import NewPassword, normalize_email_address
from checkend.notifications import mail
from checkend.notifications.mail_queue import run_later
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.urls import full_url
from checkend.web.views.sign_in import EMAIL_ADDRESS_LENGTH

bp = Blueprint("passwords", __name__)
MAIL = """Someone, hopefully you, requested a new password for {email_address} at {server}.

To set it, open this link within {hours} hours:
{link}

If this was not you, you can ignore this message: your password will not change.
"""


class ForgottenForm(Form):
    """The email address of the user who forgot the password."""

    email_address = EmailField("Email address", [InputRequired("Enter your email address."), EMAIL_ADDRESS_LENGTH])


class NewPasswordForm(Form):
    """A new password, entered once: browsers can display it."""

    password = PasswordField("New password", [SchemaValidator(UserSchema, "password")])


@bp.route("/forgotten-password", methods=["GET", "POST"])
def forgotten() -> Any:
    """Mail a link to set a new password, if mail is configured. The response does not reveal which accounts exist."""
    form = ForgottenForm()
    mail_configured, sent = mail.is_configured(current_app.config), False
    if mail_configured and form.validate_on_submit():
        login_throttle().take(f"forgotten {normalize_email_address(form.email_address.data)}")
        link_prefix = full_url("passwords.renew", token="-").removesuffix("-")
        run_later(partial(_mail_link, form.email_address.data, link_prefix, audit_log.current_origin()))
        sent = True
    return render_template("auth/forgotten.html", form=form, sent=sent, mail_configured=mail_configured), form.status


@bp.route("/new-password/<token>", methods=["GET", "POST"])
def renew(token: str) -> Any:
    """Set a new password with a link. All sessions end, and the user is signed in."""
    user = _user_for_token(token)
    form = NewPasswordForm()
    if form.validate_on_submit():
        with form.catch_domain_errors():
            # Hashing and comparing passwords is slow, so it happens before the write lock is taken.
            password = NewPassword(form.password.data)
            user.reject_recent(password)
            with write_transaction():
                # Check the token again: of two requests that use a link at the same time, only the first may succeed.
                user = _user_for_token(token)
                user.set_password(password, reject_recent=True)
                sessions.sign_in(user)
            flash("Your new password has been set.")
            return redirect(url_for("account.profile"))
    return render_template("auth/new_password.html", form=form, email_address=user.email_address), form.status


def _user_for_token(token: str) -> User:
    user = password_reset.user_for_token(token)
    if user is None:
        raise ApiError(404, "This link has already been used or is older than 24 hours. Request a new one.")
    return user


def _mail_link(email_address: str, link_prefix: str, origin: audit_log.Origin) -> None:
    """Mail a link to the user with this email address, if there is one.

    Runs after the response, which therefore takes the same time for unknown email addresses.
    """
    g.audit_origin = origin
    user = User.with_email_address(email_address)
    if user is None:
        return
    config, link = current_app.config, link_prefix + password_reset.create_token(user)
    hours = password_reset.VALID_HOURS
    text = MAIL.format(email_address=user.email_address, server=config["URL"], hours=hours, link=link)
    mail.send(config, user.email_address, "Set a new password for Checkend", text)
