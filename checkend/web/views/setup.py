"""First-run setup: with the token that the server printed, create the first site admin, a team and an app."""

import hmac
from pathlib import Path

from flask import Blueprint, abort, current_app, redirect, render_template, url_for
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField, StringField

from checkend.auth import sessions
from checkend.config.instance_secrets import delete_setup_token, read_or_create_setup_token
from checkend.db.transactions import write_transaction
from checkend.models import App, Team, User
from checkend.models.user import NewPassword, count_site_admins
from checkend.schemas.app import AppSchema
from checkend.schemas.team import TeamSchema
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.pages import Page

bp = Blueprint("setup", __name__)


class SetupForm(Form):
    """The first site admin, team and app."""

    email_address = EmailField("Email address", [SchemaValidator(UserSchema, "email_address")])
    password = PasswordField("Password", [SchemaValidator(UserSchema, "password")])
    team_name = StringField("Team name", [SchemaValidator(TeamSchema, "name")])
    app_name = StringField("App name", [SchemaValidator(AppSchema, "name")])


@bp.route("/setup/<token>", methods=["GET", "POST"])
def start(token: str) -> Page | Response:
    """Set up the server with the setup token, as long as there is no site admin; then redirect to the new app."""
    _require_first_run(token)
    form = SetupForm()
    if form.validate_on_submit():
        password = NewPassword(form.password.data)  # slow: before the write lock is taken
        with form.catch_domain_errors():
            with write_transaction():
                # Check again: of two requests that use the token at the same time, only the first may succeed.
                _require_first_run(token)
                app = _create_first_records(form, password)
            delete_setup_token(Path(current_app.instance_path))
            return redirect(url_for("apps.show", slug=app.slug))
    return render_template("setup/start.html", form=form), form.status


def _require_first_run(token: str) -> None:
    setup_token = None if count_site_admins() else read_or_create_setup_token(Path(current_app.instance_path))
    if setup_token is None or not hmac.compare_digest(setup_token.encode(), token.encode("utf-8", "surrogatepass")):
        abort(404)


def _create_first_records(form: SetupForm, password: NewPassword) -> App:
    user = User.create(form.email_address.data, password, site_admin=True)
    app = App.create(form.app_name.data)
    Team.create(form.team_name.data, user).assign(app)
    sessions.sign_in(user)
    return app
