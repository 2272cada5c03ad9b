"""The account of the signed-in user: email address, password, sessions."""

from typing import Any, cast

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired, ValidationError

from checkend.auth.login_throttle import login_throttle
from checkend.auth.sessions import current_session, current_user, session_lifetime
from checkend.db.transactions import write_transaction
from checkend.models import NotificationPreference, UserSession
from checkend.models.notification_preference import PreferenceLevel, subscribable_apps
from checkend.models.user import NewPassword
from checkend.notifications import mail
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import get_or_404
from checkend.web.pages import Page, signed_in_blueprint
from checkend.web.presenters.user_agents import describe_user_agent
from checkend.web.views.email_change import change_or_confirm

bp = signed_in_blueprint("account", "/account")
bp.app_template_filter("device")(describe_user_agent)

PREFERENCE_LABELS = {"all": "All email", "new": "New problems only", "none": "No email"}


def _check_current_password(form: Form, field: PasswordField) -> None:
    """Reject a wrong password. Attempts are limited like those to sign in."""
    login_throttle().take(current_user().email_address)
    if not current_user().check_password(field.data or ""):
        raise ValidationError("This is not your current password.")
    login_throttle().forgive(current_user().email_address)


CURRENT_PASSWORD = [InputRequired("Enter your current password."), _check_current_password]


class EmailAddressForm(Form):
    """A change of the email address. It requires the password, as it could be used to take over the account."""

    email_address = EmailField("Email address", [SchemaValidator(UserSchema, "email_address")])
    current_password = PasswordField("Current password", CURRENT_PASSWORD)


class PasswordForm(Form):
    """A change of the password. It requires the current one: an unattended browser must not be enough."""

    current = PasswordField("Current password", CURRENT_PASSWORD)
    password = PasswordField("New password", [SchemaValidator(UserSchema, "password")])


@bp.get("")
def profile() -> Page:
    """Show the user's email address and the forms to change it and the password."""
    return _profile_page()


@bp.post("")
def change_address() -> Any:
    """Change the user's email address; if mail is configured, only after the new one is confirmed."""
    form = EmailAddressForm()
    if form.validate():
        with form.catch_domain_errors():
            flash(change_or_confirm(current_user(), form.email_address.data))
            return redirect(url_for("account.profile"))
    return _profile_page(address_form=form)


@bp.post("/password")
def change_password() -> Any:
    """Change the user's password, which signs out all other sessions."""
    form = PasswordForm()
    if form.validate():
        with form.catch_domain_errors():
            # Hashing and comparing passwords is slow, so it happens before the write lock is taken.
            password = NewPassword(form.password.data)
            current_user().reject_recent(password)
            with write_transaction():
                current_user().set_password(password, reject_recent=True, keep=current_session())
            flash("Your password has been changed. All other sessions have been signed out.")
            return redirect(url_for("account.profile"))
    return _profile_page(password_form=form)


@bp.get("/sessions")
def sessions() -> Page:
    """List the browsers in which the user is signed in."""
    return render_template(
        "account/sessions.html",
        sessions=UserSession.of_user(current_user(), session_lifetime()),
        current=current_session(),
        days=session_lifetime().days,
    )


@bp.post("/sessions/<int:session_id>/revoke")
def revoke_session(session_id: int) -> Response:
    """Sign out one of the user's sessions, which may be the current one."""
    with write_transaction():
        get_or_404(UserSession, session_id, user_id=current_user().id).revoke()
    flash("The session has been signed out.")
    return redirect(url_for("account.sessions"))


@bp.post("/sessions/revoke-others")
def revoke_other_sessions() -> Response:
    """Sign out all other sessions of the user."""
    with write_transaction():
        count = UserSession.revoke_others(current_session())
    signed_out = f"Signed out {count} other {'session' if count == 1 else 'sessions'}."
    flash(signed_out if count else "You were not signed in anywhere else.")
    return redirect(url_for("account.sessions"))


@bp.get("/notifications")
def notifications() -> Page:
    """Show which email the user gets about each app of their teams."""
    return render_template(
        "account/notifications.html",
        apps=subscribable_apps(current_user()),
        levels=NotificationPreference.levels_of(current_user()),
        choices=PREFERENCE_LABELS,
    )


@bp.post("/notifications")
def change_notifications() -> Response:
    """Choose which email the user gets about each app; apps whose level is missing or unknown stay as they are."""
    user = current_user()
    with write_transaction():
        for app in subscribable_apps(user):
            level = request.form.get(f"app-{app.id}")
            if level in PREFERENCE_LABELS:
                NotificationPreference.set_level(user.id, app.id, cast(PreferenceLevel, level))
    flash("Notification preferences saved.")
    return redirect(url_for("account.notifications"))


def _profile_page(address_form: EmailAddressForm | None = None, password_form: PasswordForm | None = None) -> Page:
    html = render_template(
        "account/profile.html",
        address_form=address_form or EmailAddressForm(formdata=None, email_address=current_user().email_address),
        password_form=password_form or PasswordForm(formdata=None),
        mail_configured=mail.is_configured(),
    )
    return html, 422 if request.method == "POST" else 200
