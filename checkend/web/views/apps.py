"""Apps: the list, making one, its settings, its ingestion key."""

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
from checkend.db.session import db
from checkend.db.transactions import commit
from checkend.grouping.fingerprint import RULES
from checkend.models import App, Team, TeamApp
from checkend.models.counters import have_reported
from checkend.models.scope import AppScope
from checkend.models.selection import delete_app_in_batches
from checkend.schemas.app import AppSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import app_for
from checkend.web.pages import Page, run_and_redirect, signed_in_blueprint
from checkend.web.presenters.snippets import snippets
from checkend.web.urls import public_url

bp = signed_in_blueprint("apps", "/apps")
NO_TEAM = 0


class NewAppForm(Form):
    """A new app, and which of ``teams`` (names by id) looks after it."""

    teams: Mapping[int, str]

    name = StringField("Name", [SchemaValidator(AppSchema, "name")])
    environment = StringField("Environment", [SchemaValidator(AppSchema, "environment")])
    team = IntegerField("Team")

    def validate_team(self, field: IntegerField) -> None:
        if field.data not in self.teams:
            raise ValidationError("Choose one of these teams.")


class SettingsForm(Form):
    """What can be changed of an app.

    Not here: notify_on_new_problem and notify_on_reoccurrence, which the API keeps and nothing acts on yet.
    """

    name = StringField("Name", [SchemaValidator(AppSchema, "name")])
    environment = StringField("Environment", [SchemaValidator(AppSchema, "environment")])
    retention_days = IntegerField("Days to keep notices", [Optional(), NumberRange(0, MAX_RETENTION_DAYS)])
    retention_notices = IntegerField("Notices to keep per problem", [Optional(), NumberRange(0, MAX_RETENTION_NOTICES)])
    grouping = SelectMultipleField("Grouping rules", choices=list(RULES))

    def values(self) -> dict[str, object]:
        """The columns of the app, by name."""
        off = [rule for rule in RULES if rule not in (self.grouping.data or [])]
        kept = {name: value for name, value in self.data.items() if name != "grouping"}
        return kept | {"grouping_off": " ".join(off)}


@bp.get("")
def index() -> Page:
    """All apps that one may see, by name."""
    wanted = visible_apps(current_user()).narrow(select(App), App.id)
    may_create = not teams_with(current_user(), Capability.CREATE_APP).is_empty
    apps = db.session.scalars(wanted.order_by(App.name, App.id)).all()
    return render_template("apps/index.html", apps=apps, may_create=may_create)


@bp.route("/new", methods=["GET", "POST"])
def new() -> Any:
    """Make an app for a team in which one may; then the page that says how to connect it."""
    form = NewAppForm(team=request.args.get("team", type=int))
    form.teams = _teams()
    if not form.teams:
        require(current_user(), Capability.CREATE_APP)
    if form.validate_on_submit():
        app = App.create(form.name.data, environment=form.environment.data)
        if form.team.data != NO_TEAM:
            db.session.get_one(Team, form.team.data).assign(app)
        commit()
        return redirect(url_for("apps.show", slug=app.slug))
    return render_template("apps/new.html", form=form), form.status


@bp.get("/<slug>")
def show(slug: str) -> Page:
    """The app's page: for who may edit it its ingestion key and snippets; for all its teams."""
    app = app_for(Capability.SEE_APP, slug)
    shown = snippets(app.ingestion_key, public_url()) if can(current_user(), Capability.EDIT_APP, app) else []
    teams = select(Team).join(TeamApp).where(TeamApp.app_id == app.id).order_by(Team.name)
    return render_template(
        "apps/show.html",
        app=app,
        snippets=shown,
        teams=db.session.scalars(teams).all(),
        has_reports=have_reported(AppScope.of([app.id])),
    )


@bp.route("/<slug>/settings", methods=["GET", "POST"])
def settings(slug: str) -> Any:
    """The app's settings."""
    app = app_for(Capability.EDIT_APP, slug)
    on = [rule for rule in RULES if rule not in app.disabled_grouping_rules]
    form = SettingsForm(obj=app, grouping=on)
    if form.validate_on_submit():
        app.change(**form.values())
        commit()
        flash("The settings are saved.")
        return redirect(url_for("apps.settings", slug=app.slug))
    return render_template("apps/settings.html", app=app, form=form, rules=RULES), form.status


@bp.post("/<slug>/regenerate-key")
def regenerate_key(slug: str) -> Response:
    """Replace the app's ingestion key."""
    app = app_for(Capability.REGENERATE_KEY, slug)
    done = "The app has a new ingestion key. The old one is refused from now on."
    return run_and_redirect(app.regenerate_ingestion_key, done, url_for("apps.show", slug=app.slug))


@bp.post("/<slug>/delete")
def delete(slug: str) -> Response:
    """Delete the app with all its problems, once its name was typed."""
    app = app_for(Capability.DELETE_APP, slug)
    name = app.name
    if request.form.get("confirm", "").strip() != name:
        flash("The app was not deleted: that was not its name.", "error")
        return redirect(url_for("apps.settings", slug=app.slug))
    for _ in delete_app_in_batches(app):
        db.session.commit()
    flash(f"{name} is deleted.")
    return redirect(url_for("apps.index"))


def _teams() -> dict[int, str]:
    """The names of the teams for which one may make apps, by id; site admins may do without."""
    scope = teams_with(current_user(), Capability.CREATE_APP)
    wanted = scope.narrow(select(Team.id, Team.name).order_by(Team.name), Team.id)
    teams: dict[int, str] = {number: name for number, name in db.session.execute(wanted)}
    return teams if not scope.is_all else teams | {NO_TEAM: "No team: for site admins only"}
