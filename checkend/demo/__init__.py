"""Demo data: believable apps with months of errors, and people in every role, so that one can look around at once.

All reports go through ingestion's own pipeline, so that counts, shares, grouping and repeats are what they would be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from flask import Flask
from sqlalchemy import select

from checkend import clock
from checkend.db.schema import database_path
from checkend.db.session import db
from checkend.db.transactions import begin_writing
from checkend.demo.history import moments, report
from checkend.demo.platform import PLATFORM
from checkend.demo.storefront import STOREFRONT
from checkend.demo.story import DemoApp, Story
from checkend.exceptions import DomainError
from checkend.ingest.normalize import normalize_report
from checkend.ingest.pipeline import Ingestion
from checkend.ingest.reports import IngestApp, PreparedReport
from checkend.ingest.store import ReportStore
from checkend.models import App, Problem, Team, User
from checkend.models.team import ROLES, Role

APPS = (*STOREFRONT, *PLATFORM)
BATCH = 500
REPEATS_WITHIN_SECONDS = 60
TEAMS = ("Storefront", "Platform")
MAIL = "{}@demo.example"
NOT_EMPTY = "The database is not empty, so nothing was changed. To see the sample data, run `checkend demo --serve`."

Progress = Callable[[int, int], None]
Event = tuple[datetime, DemoApp, Story]


@dataclass(frozen=True, slots=True)
class Filled:
    """What was made: who can sign in (address and role), and how much there is to see."""

    logins: list[tuple[str, str]]
    apps: int
    problems: int
    notices: int
    occurrences: int


def fill(app: Flask, password: str, *, seed: int = 1, progress: Progress = lambda done, all: None) -> Filled:
    """Fill the empty store of ``app``; everybody gets ``password``. The same ``seed`` tells the same stories.

    Raises `DomainError` when the store holds users or apps.
    """
    random, now = Random(seed), clock.now()
    with app.app_context():
        begin_writing()
        if db.session.scalar(select(User.id).limit(1)) or db.session.scalar(select(App.id).limit(1)):
            raise DomainError(NOT_EMPTY)
        logins, keys = _create_users(password, now)
        db.session.commit()
    _report(app, _events(random, now), keys, random, progress)
    with app.app_context():
        begin_writing()
        _resolve_past()
        filled = _count(logins)
        db.session.commit()
    return filled


def _create_users(password: str, now: datetime) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """A site admin, two teams with somebody in each role, and the apps; who can sign in, and the apps' keys."""
    made = now - timedelta(days=100)
    admin = User.create(MAIL.format("site-admin"), password, site_admin=True)
    people: dict[Role, User] = {role: User.create(MAIL.format(role), password) for role in ROLES}
    teams = {name: Team.create(name, people["owner"]) for name in TEAMS}
    for role in ROLES[1:]:
        teams["Storefront"].add_member(people[role], role)
    teams["Platform"].add_member(people["developer"], "developer")
    teams["Platform"].add_member(people["viewer"], "viewer")
    for person in (admin, *people.values()):
        person.created_at = made
    for team in teams.values():
        team.created_at = made
        for member in team.members:
            member.created_at = made
    keys = {}
    for number, demo in enumerate(APPS):
        app = App.create(demo.name, environment=demo.environment)
        app.created_at = made + timedelta(hours=number)
        teams[demo.team].assign(app)
        keys[demo.name] = app.ingestion_key
    return [(admin.email_address, "site admin"), *((people[role].email_address, role) for role in ROLES)], keys


def _events(random: Random, now: datetime) -> list[Event]:
    """What happens in all stories, in the order in which it happens."""
    told = [(moment, app, story) for app in APPS for story in app.stories for moment in moments(story, random, now)]
    return sorted(told, key=lambda one: one[0])


def _report(
    app: Flask,
    told: list[Event],
    keys: dict[str, str],
    random: Random,
    progress: Progress,
) -> None:
    """Take in all that is told, as if each report came in when it happened."""
    path = database_path(Path(app.instance_path))
    pipeline, reports = Ingestion(path, app.config), ReportStore(path, REPEATS_WITHIN_SECONDS)
    try:
        ingest_apps = {name: pipeline.apps.find(key) for name, key in keys.items()}
        for start in range(0, len(told), BATCH):
            reports.write([_prepared(pipeline, ingest_apps, one, random) for one in told[start : start + BATCH]])
            progress(min(start + BATCH, len(told)), len(told))
    finally:
        reports.close()
        pipeline.close()


def _prepared(pipeline: Ingestion, ingest_apps: dict[str, IngestApp], one: Event, random: Random) -> PreparedReport:
    moment, demo, story = one
    return pipeline.prepare(
        ingest_apps[demo.name], normalize_report(report(demo, story, moment, random), moment), clock.to_micros(moment)
    )


def _resolve_past() -> None:
    """What has not been seen for a month was resolved two hours after it was last seen."""
    past = select(Problem).where(Problem.last_noticed_at < clock.now() - timedelta(days=30))
    for problem in db.session.scalars(past).all():
        resolved_at = problem.last_noticed_at + timedelta(hours=2)
        problem.resolve()
        problem.resolved_at = resolved_at


def _count(logins: list[tuple[str, str]]) -> Filled:
    problems = db.session.scalars(select(Problem)).all()
    return Filled(
        logins,
        len(APPS),
        len(problems),
        sum(problem.notices_count for problem in problems),
        sum(problem.occurrences for problem in problems),
    )
