"""Forgotten passwords, which users reset with a link: by mail, or from a site admin."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired

from checkend.auth import password_reset, sessions
from checkend.auth.login_throttle import login_throttle
from checkend.config.urls import full_url
from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError
from checkend.models import User
from checkend.models.user import NewPassword, normalize_email_address
from checkend.notifications import mail, password_mail
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.views.sign_in import EMAIL_ADDRESS_LENGTH

bp = Blueprint("passwords", __name__)


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
    mail_configured, sent = mail.is_configured(), False
    if mail_configured and form.validate_on_submit():
        login_throttle().take(f"forgotten {normalize_email_address(form.email_address.data)}")
        link_prefix = full_url("passwords.renew", token="-").removesuffix("-")
        with write_transaction():
            password_mail.queue_link(form.email_address.data, link_prefix)
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
