"""Signing in and out."""

from flask import Blueprint, redirect, render_template, request
from flask_login import current_user
from werkzeug.wrappers import Response

from checkend.auth import sessions
from checkend.extensions import begin_writing, db
from checkend.models import User
from checkend.web.forms import SignInForm
from checkend.web.pages import Page, safe_next

bp = Blueprint("sign_in", __name__)


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Page | Response:
    """The sign-in page; afterwards to where one was going."""
    going = safe_next(request.args.get("next")) or "/"
    if current_user.is_authenticated:
        return redirect(going)
    form = SignInForm()
    if form.validate_on_submit():
        user = User.authenticate(form.email_address.data or "", form.password.data or "")
        if user is not None:
            begin_writing()
            sessions.sign_in(user)
            db.session.commit()
            return redirect(going)
        form.form_errors.append("This address and password do not go together.")
    return render_template("auth/sign_in.html", form=form), 422 if form.errors else 200


@bp.post("/sign-out")
def sign_out() -> Response:
    """End the session of this browser."""
    if current_user.is_authenticated:
        begin_writing()
        sessions.sign_out()
        db.session.commit()
    return redirect("/sign-in")
