"""Signing in and out."""

import logging
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user as session_user
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired, Length

from checkend.auth import sessions
from checkend.auth.login_throttle import login_throttle
from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError
from checkend.models import User, audit_log
from checkend.models.user import count_site_admins, normalize_email_address
from checkend.web.forms import Form
from checkend.web.pages import safe_next
from checkend.web.urls import redirect_path

bp = Blueprint("sign_in", __name__)
EMAIL_ADDRESS_LENGTH = Length(max=255, message="Email address must be at most 255 characters.")


class SignInForm(Form):
    """Email address and password."""

    email_address = EmailField("Email address", [InputRequired("Enter your email address."), EMAIL_ADDRESS_LENGTH])
    password = PasswordField("Password", [InputRequired("Enter your password.")])


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Any:
    """Sign in and redirect to the page that required it. Responds with 429 after too many attempts."""
    target = safe_next(request.args.get("next")) or redirect_path("/")
    if session_user.is_authenticated:
        return redirect(target)
    form = SignInForm()
    if form.validate_on_submit():
        user = _authenticate(form)
        if user is not None:
            with write_transaction():
                sessions.sign_in(user)
            return redirect(target)
        form.form_errors.append("Incorrect email or password.")
    return render_template("auth/sign_in.html", form=form, first_run=not count_site_admins()), form.status


@bp.post("/sign-out")
def sign_out() -> Any:
    """End the session of this browser."""
    if session_user.is_authenticated:
        with write_transaction():
            sessions.sign_out()
    return redirect(url_for("sign_in.sign_in"))


def _authenticate(form: SignInForm) -> User | None:
    """Return the user if the password is correct, else None. Attempts count whether or not the account exists."""
    email_address = normalize_email_address(form.email_address.data)
    try:
        login_throttle().take(email_address)
    except ApiError:
        reason = "too many attempts"  # of which there can be any number, so the database does not store them
        audit_log.record("sign_in.failed", email_address, level=logging.WARNING, stored=False, reason=reason)
        raise
    user = User.authenticate(email_address, form.password.data)
    if user is None:
        reason = "wrong email address or password"
        audit_log.record("sign_in.failed", email_address, level=logging.WARNING, reason=reason)
        return None
    login_throttle().forgive(email_address)
    return user
