"""The first page: how the apps are doing, what is new, what happened last."""

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
from checkend.models.problem import UNRESOLVED, ProblemFilter, find_problems, new_problems
from checkend.models.scope import AppScope
from checkend.web.pages import signed_in_blueprint
from checkend.web.presenters import charts

bp = signed_in_blueprint("home")

APPS = 24
NEW = 8
LATEST = 12
NEW_FOR = timedelta(hours=24)
_FOR_LISTS = (defer(Problem.search_text), joinedload(Problem.app))


@dataclass(frozen=True, slots=True)
class AppLine:
    """An app as the home page shows it."""

    app: App
    spark: charts.Chart


@bp.get("/")
def index() -> str:
    """The apps with their open problems and a fortnight's curve, what is new since yesterday, the latest problems."""
    scope = visible_apps(current_user())
    apps, more = _apps(scope)
    new = new_problems(scope, clock.now() - NEW_FOR, NEW + 1)
    latest = find_problems(scope, ProblemFilter(status=UNRESOLVED)).limit(LATEST).options(*_FOR_LISTS)
    return render_template(
        "home.html",
        lines_of_apps=_lines(apps),
        more_apps=more,
        new=new[:NEW],
        more_new=len(new) > NEW,
        latest=list(db.session.scalars(latest)),
        may_create_app=not teams_with(current_user(), Capability.CREATE_APP).is_empty,
    )


def _apps(scope: AppScope) -> tuple[list[App], bool]:
    """Up to `APPS` of the apps, those with most open problems first, and whether there are more."""
    statement = select(App).order_by(App.unresolved_problems_count.desc(), App.name, App.id).limit(APPS + 1)
    found = list(db.session.scalars(scope.narrow(statement, App.id)))
    return found[:APPS], len(found) > APPS


def _lines(apps: list[App]) -> list[AppLine]:
    now = clock.now()
    days = days_of_apps((app.id for app in apps), charts.spark_start(now))
    return [AppLine(app, charts.sparkline(days.get(app.id, []), now)) for app in apps]
