"""The mail settings, for site admins: which SMTP server mail goes through, and a test message."""

from typing import Any

from flask import current_app, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response
from wtforms import EmailField, IntegerField, PasswordField, SelectField, StringField
from wtforms.validators import Length, NumberRange

from checkend.auth.roles import Capability
from checkend.auth.sessions import current_user
from checkend.db.transactions import write_transaction
from checkend.exceptions import DomainError
from checkend.models import StoredMailSettings, audit_log
from checkend.notifications import mail
from checkend.notifications.encryption import secret_box
from checkend.notifications.mail_settings import OWNER, default_sender, delete_settings, has_server, save_settings
from checkend.schemas.mail_settings import MailSettingsSchema
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.pages import Page, run_and_redirect, signed_in_blueprint

bp = signed_in_blueprint("mail", "/mail", capability=Capability.MANAGE_MAIL)

TLS_LABELS = {
    "starttls": "STARTTLS, usually on port 587",
    "tls": "TLS from the start, usually on port 465",
    "none": "None: mail and password are readable on the way",
}
COLUMNS = ("host", "port", "tls", "username", "from_address")


class MailForm(Form):
    """The SMTP server. The password is never shown; an empty one keeps the current one."""

    host = StringField("Host", [SchemaValidator(MailSettingsSchema, "host")])
    port = IntegerField("Port", [NumberRange(1, 65535, "Port must be a whole number from 1 to 65535.")], default=587)
    tls = SelectField("Encryption", choices=list(TLS_LABELS))
    username = StringField("User name", [SchemaValidator(MailSettingsSchema, "username")])
    password = PasswordField("Password", [Length(max=1000, message="Password must be at most 1,000 characters.")])
    from_address = StringField("From", [SchemaValidator(MailSettingsSchema, "from_address")])


class TestForm(Form):
    """The receiver of a test message."""

    email_address = EmailField("Send to", [SchemaValidator(UserSchema, "email_address")])


@bp.get("")
def show() -> Page:
    """Show the settings, without the password, and where they come from."""
    return _page()


@bp.post("")
def save() -> Any:
    """Store the settings, which take effect at once; those of the configuration cannot be changed here."""
    form = MailForm()
    if form.validate():
        with form.catch_domain_errors():
            _require_dashboard()
            values = {name: form[name].data or "" for name in COLUMNS}
            with write_transaction():
                save_settings(secret_box(), values, form.password.data or "")
            flash("Mail settings saved. Send a test message to check that they work.")
            return redirect(url_for("mail.show"))
    return _page(form)


@bp.post("/delete")
def delete() -> Response:
    """Delete the settings of the dashboard."""
    return run_and_redirect(delete_settings, "Mail settings deleted.", url_for("mail.show"))


@bp.post("/test")
def send_test() -> Any:
    """Send a test message now, and say what became of it."""
    form = TestForm()
    if not form.validate():
        return _page(test_form=form)
    recipient = form.email_address.data
    outcome = mail.send_test(recipient)
    audit_log.record("mail.tested", OWNER, recipient=recipient, error=outcome.error or None)
    if outcome.error:
        flash(f"The test message to {recipient} was not sent. {outcome.error}", "error")
    else:
        flash(f"The mail server accepted the test message to {recipient}.")
    return redirect(url_for("mail.show"))


def _require_dashboard() -> None:
    if current_app.config["MAIL_HOST"]:
        raise DomainError("The mail server is set in the configuration of this server, and can only be changed there.")


def _page(form: MailForm | None = None, test_form: TestForm | None = None) -> Page:
    config, stored = current_app.config, StoredMailSettings.load()
    html = render_template(
        "mail/show.html",
        form=form or MailForm(formdata=None, obj=stored),
        test_form=test_form or TestForm(formdata=None, email_address=current_user().email_address),
        stored=stored,
        source=config["SETTINGS"]["MAIL_HOST"].source if config["MAIL_HOST"] else None,
        default_sender=default_sender(config["URL"]),
        tls_labels=TLS_LABELS,
        has_server=has_server(),
    )
    return html, (form or test_form or MailForm(formdata=None)).status
