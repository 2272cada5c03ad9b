"""The home page: all apps, the latest unresolved problems, and new ones."""

from dataclasses import dataclass
from datetime import timedelta

from flask import render_template
from sqlalchemy import select
from sqlalchemy.orm import defer, joinedload

from checkend import clock
from checkend.auth.roles import Capability, teams_with, visible_apps
from checkend.auth.sessions import current_user
from checkend.db.session import db
from checkend.models import App, Problem
from checkend.models.counters import days_of_apps
from checkend.models.problem import UNRESOLVED
from checkend.models.problem_list import ProblemFilter, find_problems, new_problems
from checkend.models.scope import AppScope
from checkend.web.pages import signed_in_blueprint
from checkend.web.presenters import charts

bp = signed_in_blueprint("home")

MAX_APPS = 24
MAX_NEW = 8
MAX_LATEST = 12
NEW_FOR = timedelta(hours=24)
_FOR_LISTS = (defer(Problem.search_text), joinedload(Problem.app))


@dataclass(frozen=True, slots=True)
class AppCard:
    """An app on the home page, with the chart of its last 14 days."""

    app: App
    spark: charts.Chart


@bp.get("/")
def index() -> str:
    """Show the apps with their unresolved problems and charts, the latest problems, and those of the last 24 hours."""
    scope = visible_apps(current_user())
    now = clock.now()
    apps, more_apps = _busiest_apps(scope)
    days = days_of_apps((app.id for app in apps), charts.spark_start(now))
    new = new_problems(scope, now - NEW_FOR, MAX_NEW + 1)
    latest = find_problems(scope, ProblemFilter(status=UNRESOLVED, muted=False)).limit(MAX_LATEST).options(*_FOR_LISTS)
    return render_template(
        "home.html",
        cards=[AppCard(app, charts.sparkline(days.get(app.id, []), now)) for app in apps],
        more_apps=more_apps,
        new=new[:MAX_NEW],
        more_new=len(new) > MAX_NEW,
        latest=list(db.session.scalars(latest)),
        may_create_app=not teams_with(current_user(), Capability.CREATE_APP).is_empty,
    )


def _busiest_apps(scope: AppScope) -> tuple[list[App], bool]:
    """Return up to `MAX_APPS` apps, most open problems first, and whether there are more."""
    busiest = (App.unresolved_problems_count - App.muted_problems_count).desc()
    statement = select(App).order_by(busiest, App.name, App.id).limit(MAX_APPS + 1)
    apps = list(db.session.scalars(scope.narrow(statement, App.id)))
    return apps[:MAX_APPS], len(apps) > MAX_APPS
