"""Apps: list, creation, settings, ingestion key, deletion."""

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response
from wtforms import IntegerField, SelectMultipleField, StringField
from wtforms.validators import NumberRange, Optional, ValidationError

from checkend.auth.roles import Capability, can, require, teams_with, visible_apps
from checkend.auth.sessions import current_user
from checkend.config import MAX_RETENTION_DAYS, MAX_RETENTION_NOTICES
from checkend.config.urls import public_url
from checkend.db.session import db
from checkend.db.transactions import write_in_steps, write_transaction
from checkend.grouping.fingerprint import RULES
from checkend.models import App, Channel, Team, TeamApp
from checkend.models.counters import have_reported
from checkend.models.scope import AppScope
from checkend.models.selection import delete_app_in_batches
from checkend.schemas.app import AppSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import app_for
from checkend.web.pages import Page, run_and_redirect, signed_in_blueprint
from checkend.web.presenters.snippets import snippets

bp = signed_in_blueprint("apps", "/apps")
NO_TEAM = 0


class NewAppForm(Form):
    """A new app for one of ``teams`` (names by id)."""

    teams: Mapping[int, str]

    name = StringField("Name", [SchemaValidator(AppSchema, "name")])
    environment = StringField("Environment", [SchemaValidator(AppSchema, "environment")])
    team = IntegerField("Team")

    def validate_team(self, field: IntegerField) -> None:
        if field.data not in self.teams:
            raise ValidationError("Choose one of these teams.")


class SettingsForm(Form):
    """The settings of an app, except for those on its alerts page."""

    name = StringField("Name", [SchemaValidator(AppSchema, "name")])
    environment = StringField("Environment", [SchemaValidator(AppSchema, "environment")])
    retention_days = IntegerField("Days to keep notices", [Optional(), NumberRange(0, MAX_RETENTION_DAYS)])
    retention_notices = IntegerField("Notices to keep per problem", [Optional(), NumberRange(0, MAX_RETENTION_NOTICES)])
    grouping = SelectMultipleField("Grouping rules", choices=list(RULES))

    def values(self) -> dict[str, object]:
        """Return the values of the app's columns by name."""
        disabled = [rule for rule in RULES if rule not in (self.grouping.data or [])]
        columns = {name: value for name, value in self.data.items() if name != "grouping"}
        return columns | {"grouping_off": " ".join(disabled)}


@bp.get("")
def index() -> Page:
    """List all apps that the user may see, by name."""
    statement = visible_apps(current_user()).narrow(select(App), App.id)
    may_create = not teams_with(current_user(), Capability.CREATE_APP).is_empty
    apps = db.session.scalars(statement.order_by(App.name, App.id)).all()
    return render_template("apps/index.html", apps=apps, may_create=may_create)


@bp.route("/new", methods=["GET", "POST"])
def new() -> Any:
    """Create an app for a team in which the user may do so, and redirect to the page that helps to connect it."""
    form = NewAppForm(team=request.args.get("team", type=int))
    form.teams = _teams_to_create_apps_in()
    if not form.teams:
        require(current_user(), Capability.CREATE_APP)
    if form.validate_on_submit():
        with write_transaction():
            app = App.create(form.name.data, environment=form.environment.data)
            if form.team.data != NO_TEAM:
                db.session.get_one(Team, form.team.data).assign(app)
        return redirect(url_for("apps.show", slug=app.slug))
    return render_template("apps/new.html", form=form), form.status


@bp.get("/<slug>")
def show(slug: str) -> Page:
    """Show the app's teams and, to users who may edit it, its ingestion key and the code to connect it."""
    app = app_for(Capability.SEE_APP, slug)
    may_edit = can(current_user(), Capability.EDIT_APP, app)
    teams = select(Team).join(TeamApp).where(TeamApp.app_id == app.id).order_by(Team.name)
    return render_template(
        "apps/show.html",
        app=app,
        snippets=snippets(app.ingestion_key, public_url()) if may_edit else [],
        teams=db.session.scalars(teams).all(),
        failing_channels=[channel for channel in Channel.of_app(app) if channel.is_failing] if may_edit else [],
        has_reports=have_reported(AppScope.of([app.id])),
    )


@bp.route("/<slug>/settings", methods=["GET", "POST"])
def settings(slug: str) -> Any:
    """Show and change the app's settings."""
    app = app_for(Capability.EDIT_APP, slug)
    form = SettingsForm(obj=app, grouping=[rule for rule in RULES if rule not in app.disabled_grouping_rules])
    if form.validate_on_submit():
        with write_transaction():
            app.change(**form.values())
        flash("Settings saved.")
        return redirect(url_for("apps.settings", slug=app.slug))
    return render_template("apps/settings.html", app=app, form=form, rules=RULES), form.status


@bp.post("/<slug>/regenerate-key")
def regenerate_key(slug: str) -> Response:
    """Replace the app's ingestion key."""
    app = app_for(Capability.REGENERATE_KEY, slug)
    message = "The app has a new ingestion key. Errors sent with the old key are now rejected."
    return run_and_redirect(app.regenerate_ingestion_key, message, url_for("apps.show", slug=app.slug))


@bp.post("/<slug>/delete")
def delete(slug: str) -> Response:
    """Delete the app with all its problems, if its name was entered as confirmation."""
    app = app_for(Capability.DELETE_APP, slug)
    name = app.name
    if request.form.get("confirm", "").strip() != name:
        flash("The app was not deleted because the name you entered does not match.", "error")
        return redirect(url_for("apps.settings", slug=app.slug))
    for _ in write_in_steps(delete_app_in_batches(app)):
        pass
    flash(f"Deleted app '{name}'.")
    return redirect(url_for("apps.index"))


def _teams_to_create_apps_in() -> dict[int, str]:
    """Return the names, by id, of the teams for which the user may create apps; site admins may create some without."""
    scope = teams_with(current_user(), Capability.CREATE_APP)
    statement = scope.narrow(select(Team.id, Team.name).order_by(Team.name), Team.id)
    teams: dict[int, str] = {team_id: name for team_id, name in db.session.execute(statement)}
    return teams if not scope.is_all else teams | {NO_TEAM: "No team (visible to site admins only)"}
