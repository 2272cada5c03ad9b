"""The number of statements of a list does not depend on its number of rows."""

from typing import Any

from flask import Flask
from sqlalchemy import delete

from checkend import clock
from checkend.db.compression import compress
from checkend.db.session import db
from checkend.models import ApiKey, App, AuditEntry, Channel, Delivery, Invitation, Notice, Problem, Tag, Team, User
from checkend.models.backtrace import Backtrace
from checkend.models.team import TeamMember
from tests.api.test_permission_matrix import bare_url_map, path_of, url_map
from tests.support.api import Api, counting
from tests.support.factories import Factory


def is_list(view: Any) -> bool:
    return getattr(view, "paginated", False) or getattr(view.response[0], "many", False)


LISTS = [
    "/apps",
    "/apps/<app_id>/channels",
    "/apps/<app_id>/channels/<channel_id>/deliveries",
    "/apps/<app_id>/problems",
    "/apps/<app_id>/problems/<problem_id>/notices",
    "/apps/<app_id>/problems/<problem_id>/tags",
    "/apps/<app_id>/tags",
    "/audit_log",
    "/problems",
    "/teams",
    "/teams/<team_id>/apps",
    "/teams/<team_id>/invitations",
    "/teams/<team_id>/members",
    "/users",
    "/users/<user_id>/notification_preferences",
]


def fill(make: Factory, rows: int) -> None:
    """Create ``number`` records of each kind, in app 1, problem 1 and team 1."""
    with make.writing() as session:
        users = [User(slug=f"u{n}", email_address=f"u{n}@example.com", password_digest="x") for n in range(rows)]
        session.add_all(users)
        session.flush()
        apps = [App.create(f"App {n}") for n in range(rows)]
        tags = [Tag(name=f"tag-{n}") for n in range(rows)]
        team = Team.create("Team 0", users[0])
        team.apps.extend(apps)
        session.add_all([TeamMember(team=team, user=user) for user in users[1:]])
        session.add_all([Team(name="T", slug=f"t{n}", owner=user) for n, user in enumerate(users[1:])])
        problems = [bare_problem(n, tags if n == 0 else [tags[n]]) for n in range(rows)]
        session.add_all(problems)
        session.flush()
        for number in range(rows):
            backtrace = Backtrace(digest=b"%016d" % number, packed=compress([f"a.py:{number} in f"]))
            session.add(backtrace)
            session.flush()
            notice = Notice(problem_id=1, occurred_at=clock.now(), payload=compress({}), backtrace_id=backtrace.id)
            session.add(notice)
        apps[0].problems_count = rows
        channels = [Channel(app=apps[0], kind="webhook", name="Hook") for _ in range(rows)]
        session.add_all(channels)
        session.flush()
        key = session.get_one(ApiKey, 1)
        for n in range(rows):
            Invitation.create(team, f"guest{n}@example.com", "viewer", users[n] if n % 2 else key)
        session.add_all([Delivery(channel_id=1, event="new_problem") for _ in range(rows)])
        session.execute(delete(AuditEntry).where(AuditEntry.event != "app.created"))


def bare_problem(number: int, tags: list[Tag]) -> Problem:
    """Return a problem of app 1 that is not in a session."""
    return Problem(
        app_id=1,
        error_class="E",
        first_message="m",
        fingerprint=f"f{number}",
        grouping_version=1,
        search_text="e\nm",
        first_noticed_at=clock.now(),
        last_noticed_at=clock.now(),
        tags=tags,
    )


# No lists, or one whose length does not depend on the number of records.
UNMEASURED = {"/health", "/openapi", "/openapi.yaml", "/apps/<app_id>/problems/<problem_id>/occurrences"}


def test_every_list_is_measured(app: Flask) -> None:
    views = url_map(app)
    found = [rule for method, rule in bare_url_map() if method == "GET" and rule not in UNMEASURED]
    assert [rule for rule in found if is_list(views["GET", rule])] == LISTS


def test_the_number_of_statements_does_not_grow_with_the_rows(app: Flask, api: Api, make: Factory) -> None:
    fill(make, 3)
    few = {rule: measured(app, api, rule, 3) for rule in LISTS}
    with make.writing() as session:
        for table in reversed(db.metadata.sorted_tables):
            if table.name != "api_keys":
                session.execute(table.delete())
        session.connection().exec_driver_sql("DELETE FROM sqlite_sequence")
    fill(make, 100)
    assert {rule: measured(app, api, rule, 100) for rule in LISTS} == few


def measured(app: Flask, api: Api, rule: str, rows: int) -> int:
    api.get("/users")  # the first use of a key is stamped
    with counting(app) as statements:
        is_paginated = rule.endswith(("/problems", "/notices", "/deliveries", "/audit_log"))
        response = api.get(path_of(rule), **({"per_page": 100} if is_paginated else {}))
    assert response.status_code == 200, rule
    shown = response.get_json()
    assert len(shown["data"] if isinstance(shown, dict) else shown) == rows
    assert 2 <= len(statements) <= 9, (rule, statements)
    return len(statements)
