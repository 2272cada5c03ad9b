"""Forgotten passwords: a link by mail, or from a site admin, with which one sets a new one."""

from functools import partial
from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired

from checkend.auth import password_reset, sessions
from checkend.auth.login_throttle import login_throttle
from checkend.db.transactions import begin_writing, commit
from checkend.exceptions import ApiError
from checkend.models import User, audit_log
from checkend.models.user import NewPassword, normalize_email_address
from checkend.notifications import mail
from checkend.notifications.mail_queue import run_later
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.urls import full_url
from checkend.web.views.sign_in import MAX_ADDRESS

bp = Blueprint("passwords", __name__)
MAIL = """Someone, hopefully you, asked for a new password for {address} at {server}.

Set it here, within {hours} hours:
{link}

If it was not you, do nothing: your password stays as it is.
"""


class ForgottenForm(Form):
    """Whose password is forgotten."""

    email_address = EmailField("Email address", [InputRequired("Enter your email address."), MAX_ADDRESS])


class NewPasswordForm(Form):
    """A new password, typed once; browsers show it on demand."""

    password = PasswordField("New password", [SchemaValidator(UserSchema, "password")])


@bp.route("/forgotten-password", methods=["GET", "POST"])
def forgotten() -> Any:
    """Mail a link for a new password, where mail is set up; the answer does not tell whether the address exists."""
    form = ForgottenForm()
    sent = False
    if mail.is_configured(current_app.config) and form.validate_on_submit():
        login_throttle().take(f"forgotten {normalize_email_address(form.email_address.data)}")
        link_start = full_url("passwords.renew", token="-").removesuffix("-")
        run_later(partial(_mail_link, form.email_address.data, link_start, audit_log.current_origin()))
        sent = True
    by_mail = mail.is_configured(current_app.config)
    return render_template("auth/forgotten.html", form=form, sent=sent, by_mail=by_mail), form.status


@bp.route("/new-password/<token>", methods=["GET", "POST"])
def renew(token: str) -> Any:
    """Set a new password with a link; all sessions end, and this browser is signed in."""
    user = _owner_of(token)
    form = NewPasswordForm()
    if form.validate_on_submit() and form.carries_out(lambda: _renew(token, form.password.data)):
        commit()
        flash("Your new password is set.")
        return redirect(url_for("account.profile"))
    return render_template("auth/new_password.html", form=form, address=user.email_address), form.status


def _owner_of(token: str) -> User:
    user = password_reset.user_for_token(token)
    if user is None:
        raise ApiError(404, "This link has been used, or is older than a day. Ask for a new one.")
    return user


def _renew(token: str, text: str) -> None:
    password = NewPassword(text)
    _owner_of(token).reject_recent(password)
    begin_writing()
    user = _owner_of(token)  # again, as the only writer: of two who use a link at once, one is the first
    user.set_password(password, reject_recent=True)
    sessions.sign_in(user)


def _mail_link(address: str, link_start: str, origin: audit_log.Origin) -> None:
    """Mail a link to the user with this address, if there is one.

    Runs after the response, which therefore takes the same time for unknown addresses.
    """
    g.audit_origin = origin
    user = User.with_email_address(address)
    if user is None:
        return
    config, link = current_app.config, link_start + password_reset.create_token(user)
    hours = password_reset.VALID_HOURS
    text = MAIL.format(address=user.email_address, server=config["URL"], hours=hours, link=link)
    mail.send(config, user.email_address, "A new password for Checkend", text)
