"""One's own account: address, password, sessions."""

from typing import Any

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired, ValidationError

from checkend.auth.login_throttle import login_throttle
from checkend.auth.sessions import current_session, current_user, session_lifetime
from checkend.db.session import db
from checkend.db.transactions import begin_writing, commit
from checkend.models import UserSession
from checkend.models.user import NewPassword
from checkend.notifications import mail
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.pages import Page, signed_in_blueprint
from checkend.web.presenters.user_agents import describe_user_agent
from checkend.web.views.email_change import change_or_confirm

bp = signed_in_blueprint("account", "/account", writing=False)  # passwords are compared before the write lock
bp.app_template_filter("device")(describe_user_agent)


def _check_current(form: Form, field: PasswordField) -> None:
    """Reject a wrong password; the attempts are limited as those to sign in are."""
    login_throttle().take(current_user().email_address)
    if not current_user().check_password(field.data or ""):
        raise ValidationError("This is not your current password.")
    login_throttle().forgive(current_user().email_address)


class AddressForm(Form):
    """A change of the email address, which could be used to take over the account, so the password is asked for."""

    email_address = EmailField("Email address", [SchemaValidator(UserSchema, "email_address")])
    current_password = PasswordField("Your password", [InputRequired("Enter your current password."), _check_current])


class PasswordForm(Form):
    """A change of password: who has found a browser open must not be able to make it."""

    current = PasswordField("Current password", [InputRequired("Enter your current password."), _check_current])
    password = PasswordField("New password", [SchemaValidator(UserSchema, "password")])


@bp.get("")
def profile() -> Page:
    """One's address, password and teams."""
    return _profile()


@bp.post("")
def change_address() -> Any:
    """Change one's email address; where mail is set up, once the new one is confirmed."""
    form = AddressForm()
    if form.validate() and (done := form.attempt(lambda: change_or_confirm(current_user(), form.email_address.data))):
        commit()
        flash(done)
        return redirect(url_for("account.profile"))
    return _profile(address=form)


@bp.post("/password")
def change_password() -> Any:
    """Change one's password, which signs out all other sessions."""
    form = PasswordForm()
    if form.validate() and form.carries_out(lambda: _change(form.password.data)):
        commit()
        flash("Your password is changed. All other sessions are signed out.")
        return redirect(url_for("account.profile"))
    return _profile(password=form)


@bp.get("/sessions")
def sessions() -> Page:
    """The browsers in which one is signed in."""
    return render_template(
        "account/sessions.html",
        sessions=UserSession.of_user(current_user(), session_lifetime()),
        mine=current_session(),
        days=session_lifetime().days,
    )


@bp.post("/sessions/<int:session_id>/revoke")
def revoke_session(session_id: int) -> Response:
    """Sign out one of one's sessions; this one too."""
    begin_writing()
    row = db.session.get(UserSession, session_id) if session_id < 2**63 else None
    if row is None or row.user_id != current_user().id:
        abort(404)
    row.revoke()
    commit()
    flash("That session is signed out.")
    return redirect(url_for("account.sessions"))


@bp.post("/sessions/revoke-others")
def revoke_other_sessions() -> Response:
    """Sign out everywhere but here."""
    begin_writing()
    count = UserSession.revoke_others(current_session())
    commit()
    flash("No other session was signed in." if not count else f"{count} signed out; only this session is left.")
    return redirect(url_for("account.sessions"))


def _change(text: str) -> None:
    password = NewPassword(text)
    current_user().reject_recent(password)
    begin_writing()
    current_user().set_password(password, reject_recent=True, keep=current_session())


def _profile(address: AddressForm | None = None, password: PasswordForm | None = None) -> Page:
    status = 422 if request.method == "POST" else 200
    form = address or AddressForm(formdata=None, email_address=current_user().email_address)
    change = password or PasswordForm(formdata=None)
    by_mail = mail.is_configured(current_app.config)
    return render_template("account/profile.html", address_form=form, password_form=change, by_mail=by_mail), status
