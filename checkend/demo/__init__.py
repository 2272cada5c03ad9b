"""Demo data: realistic apps with months of errors, and a user with each role.

All reports pass through the ingestion pipeline, so that counts, facets, grouping and duplicates are real.
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
from checkend.db.transactions import write_transaction
from checkend.demo.history import build_report, report_times
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
REPORT_BATCH_SIZE = 500
DEDUP_WINDOW_SECONDS = 60
TEAMS = ("Storefront", "Platform")
EMAIL_ADDRESS = "{}@demo.example"
NOT_EMPTY = "The database is not empty, so nothing was changed. To see the sample data, run `checkend demo --serve`."

Progress = Callable[[int, int], None]
Event = tuple[datetime, DemoApp, Story]


@dataclass(frozen=True, slots=True)
class DemoData:
    """The demo data that was created: the users who can sign in (email address and role), and totals."""

    logins: list[tuple[str, str]]
    apps: int
    problems: int
    notices: int
    occurrences: int


def fill(app: Flask, password: str, *, seed: int = 1, progress: Progress = lambda done, total: None) -> DemoData:
    """Fill the empty database of ``app``, and return what was created; all users have the same ``password``.

    The same ``seed`` produces the same errors. Raises `DomainError` if the database contains users or apps.
    """
    random, now = Random(seed), clock.now()
    with app.app_context(), write_transaction():
        if db.session.scalar(select(User.id).limit(1)) or db.session.scalar(select(App.id).limit(1)):
            raise DomainError(NOT_EMPTY)
        logins, keys = _create_records(password, now)
    events = [
        (time, demo, story) for demo in APPS for story in demo.stories for time in report_times(story, random, now)
    ]
    _store_reports(app, sorted(events, key=lambda event: event[0]), keys, random, progress)
    with app.app_context(), write_transaction():
        _resolve_past_problems()
        return _summarize(logins)


def _create_records(password: str, now: datetime) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Create a site admin, two teams with a member of each role, and the apps.

    Returns the email addresses and roles of the users, and the ingestion keys by the names of the apps.
    """
    created_at = now - timedelta(days=100)
    admin = User.create(EMAIL_ADDRESS.format("site-admin"), password, site_admin=True)
    users: dict[Role, User] = {role: User.create(EMAIL_ADDRESS.format(role), password) for role in ROLES}
    teams = {name: Team.create(name, users["owner"]) for name in TEAMS}
    for role in ROLES[1:]:
        teams["Storefront"].add_member(users[role], role)
    teams["Platform"].add_member(users["developer"], "developer")
    teams["Platform"].add_member(users["viewer"], "viewer")
    for user in (admin, *users.values()):
        user.created_at = created_at
    for team in teams.values():
        team.created_at = created_at
        for member in team.members:
            member.created_at = created_at
    keys = {}
    for number, demo in enumerate(APPS):
        app = App.create(demo.name, environment=demo.environment)
        app.created_at = created_at + timedelta(hours=number)
        teams[demo.team].assign(app)
        keys[demo.name] = app.ingestion_key
    return [(admin.email_address, "site admin"), *((users[role].email_address, role) for role in ROLES)], keys


def _store_reports(app: Flask, events: list[Event], keys: dict[str, str], random: Random, progress: Progress) -> None:
    """Store a report for each event, as if it had been received at the time of the event."""
    path = database_path(Path(app.instance_path))
    pipeline, reports = Ingestion(path, app.config), ReportStore(path, DEDUP_WINDOW_SECONDS)
    try:
        ingest_apps = {name: pipeline.apps.find(key) for name, key in keys.items()}
        for start in range(0, len(events), REPORT_BATCH_SIZE):
            batch = events[start : start + REPORT_BATCH_SIZE]
            reports.write([_prepare(pipeline, ingest_apps, event, random) for event in batch])
            progress(start + len(batch), len(events))
    finally:
        reports.close()
        pipeline.close()


def _prepare(pipeline: Ingestion, ingest_apps: dict[str, IngestApp], event: Event, random: Random) -> PreparedReport:
    time, demo, story = event
    report = normalize_report(build_report(demo, story, time, random), time)
    return pipeline.prepare(ingest_apps[demo.name], report, clock.to_micros(time))


def _resolve_past_problems() -> None:
    """Resolve problems that have not been reported for a month, two hours after they last were."""
    past = select(Problem).where(Problem.last_noticed_at < clock.now() - timedelta(days=30))
    for problem in db.session.scalars(past).all():
        resolved_at = problem.last_noticed_at + timedelta(hours=2)
        problem.resolve()
        problem.resolved_at = resolved_at


def _summarize(logins: list[tuple[str, str]]) -> DemoData:
    problems = db.session.scalars(select(Problem)).all()
    return DemoData(
        logins,
        len(APPS),
        len(problems),
        sum(problem.notices_count for problem in problems),
        sum(problem.occurrences for problem in problems),
    )
