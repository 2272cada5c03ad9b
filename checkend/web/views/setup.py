"""The first run: whoever has the token that the server printed makes the first admin, a team and an app."""

import hmac
from pathlib import Path

from flask import Blueprint, abort, current_app, redirect, render_template, url_for
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField, StringField

from checkend.auth import sessions
from checkend.config.instance_secrets import delete_setup_token, read_or_create_setup_token
from checkend.db.transactions import begin_writing, commit
from checkend.models import App, Team, User
from checkend.models.user import NewPassword, count_site_admins
from checkend.schemas.app import AppSchema
from checkend.schemas.team import TeamSchema
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.pages import Page

bp = Blueprint("setup", __name__)


class SetupForm(Form):
    """All that a server needs before it is of use."""

    email_address = EmailField("Email address", [SchemaValidator(UserSchema, "email_address")])
    password = PasswordField("Password", [SchemaValidator(UserSchema, "password")])
    team_name = StringField("Team name", [SchemaValidator(TeamSchema, "name")])
    app_name = StringField("App name", [SchemaValidator(AppSchema, "name")])


@bp.route("/setup/<token>", methods=["GET", "POST"])
def start(token: str) -> Page | Response:
    """The setup page, for the token's holder, until there is a user; then the page of the new app."""
    _require_first_run(token)
    form = SetupForm()
    if form.validate_on_submit():
        password = NewPassword(form.password.data)
        begin_writing()
        _require_first_run(token)  # again, as the only writer: of two at once, one is the first
        if app := form.attempt(lambda: _make(form, password)):
            commit()
            delete_setup_token(Path(current_app.instance_path))
            return redirect(url_for("apps.show", slug=app.slug))
    return render_template("setup/start.html", form=form), form.status


def _require_first_run(token: str) -> None:
    wanted = None if count_site_admins() else read_or_create_setup_token(Path(current_app.instance_path))
    if wanted is None or not hmac.compare_digest(wanted.encode(), token.encode("utf-8", "surrogatepass")):
        abort(404)


def _make(form: SetupForm, password: NewPassword) -> App:
    """Make the admin, the team and the app, and sign the admin in. Raises `DomainError`."""
    user = User.create(form.email_address.data, password, site_admin=True)
    app = App.create(form.app_name.data)
    Team.create(form.team_name.data, user).assign(app)
    sessions.sign_in(user)
    return app
