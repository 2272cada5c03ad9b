"""Signing in and out."""

import logging
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user as session_user
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired, Length

from checkend.auth import sessions
from checkend.auth.login_throttle import login_throttle
from checkend.db.transactions import begin_writing, commit
from checkend.exceptions import ApiError
from checkend.models import User, audit_log
from checkend.models.user import count_site_admins, normalize_email_address
from checkend.web.forms import Form
from checkend.web.pages import safe_next
from checkend.web.urls import redirect_path

bp = Blueprint("sign_in", __name__)
MAX_ADDRESS = Length(max=255, message="Email address must be at most 255 characters.")


class SignInForm(Form):
    """Who one is."""

    email_address = EmailField("Email address", [InputRequired("Enter your email address."), MAX_ADDRESS])
    password = PasswordField("Password", [InputRequired("Enter your password.")])


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Any:
    """The sign-in page; afterwards to where one was going. Answers 429 after too many tries."""
    going = safe_next(request.args.get("next")) or redirect_path("/")
    if session_user.is_authenticated:
        return redirect(going)
    form = SignInForm()
    if form.validate_on_submit():
        user = _authenticate(form)
        if user is not None:
            begin_writing()
            sessions.sign_in(user)
            commit()
            return redirect(going)
        form.form_errors.append("This address and password do not go together.")
    return render_template("auth/sign_in.html", form=form, first_run=not count_site_admins()), form.status


@bp.post("/sign-out")
def sign_out() -> Any:
    """End the session of this browser."""
    if session_user.is_authenticated:
        begin_writing()
        sessions.sign_out()
        commit()
    return redirect(url_for("sign_in.sign_in"))


def _authenticate(form: SignInForm) -> User | None:
    """Who the form says one is, if the password fits; the tries are counted whether or not the address exists."""
    address = normalize_email_address(form.email_address.data)
    try:
        login_throttle().take(address)
    except ApiError:
        audit_log.record("sign_in.failed", address, level=logging.WARNING, reason="too many attempts")
        raise
    user = User.authenticate(address, form.password.data)
    if user is None:
        audit_log.record("sign_in.failed", address, level=logging.WARNING, reason="wrong email address or password")
        return None
    login_throttle().forgive(address)
    return user
