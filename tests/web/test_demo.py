"""Demo data: an empty database is filled through ingestion, consistently; any other is left alone."""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.db.schema import copy_database, database_path
from checkend.db.session import db
from checkend.demo import APPS, DemoData, fill
from checkend.demo.history import COURSES
from checkend.exceptions import DomainError
from checkend.models import App, AppHour, Notice, Problem, ProblemFacet, ProblemHour, TeamMember, User
from checkend.services import services
from tests.support.factories import Factory
from tests.support.pages import sign_in
from tests.support.warm_processes import Checkend, run

pytestmark = pytest.mark.slow

PASSWORD = "look around"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoData]:
    """Provide a database with demo data, and what it contains: filling one takes seconds."""
    folder = tmp_path_factory.mktemp("demo")
    app = create_app({}, instance_path=folder / "instance")
    data = fill(app, PASSWORD)
    services(app).close()
    copy_database(database_path(folder / "instance"), folder / "copy")
    return folder / "copy", data


@pytest.fixture
def filled(demo: tuple[Path, DemoData], tmp_path: Path) -> Iterator[Flask]:
    """Provide a server with demo data."""
    shutil.copyfile(demo[0], database_path(tmp_path))
    app = create_app({}, instance_path=tmp_path)
    yield app
    services(app).close()


def test_the_kept_counts_are_those_of_what_is_stored(filled: Flask) -> None:
    with filled.app_context():
        problems = db.session.scalars(db.select(Problem)).all()
        notices = Counter(db.session.scalars(db.select(Notice.problem_id)).all())
        hours = Counter[int]()
        for hour in db.session.scalars(db.select(ProblemHour)):
            hours[hour.problem_id] += hour.count
        environments = Counter[int]()
        for facet in db.session.scalars(db.select(ProblemFacet).filter_by(name="environment")):
            environments[facet.problem_id] += facet.count
        for problem in problems:
            assert problem.notices_count == notices[problem.id]
            assert problem.occurrences == hours[problem.id] == environments[problem.id]
            assert problem.grouping_reason
        for app in db.session.scalars(db.select(App)):
            mine = [problem for problem in problems if problem.app_id == app.id]
            assert app.problems_count == len(mine)
            assert app.unresolved_problems_count == sum(problem.status == "unresolved" for problem in mine)
            counted = db.session.scalars(db.select(AppHour.count).filter_by(app_id=app.id)).all()
            assert sum(counted) == sum(problem.occurrences for problem in mine)


def test_there_is_months_of_history_with_something_in_every_state(filled: Flask) -> None:
    with filled.app_context():
        problems = db.session.scalars(db.select(Problem)).all()
        assert {problem.status for problem in problems} == {"resolved", "unresolved"}
        assert all(problem.resolved_at for problem in problems if problem.status == "resolved")
        first = min(problem.first_noticed_at for problem in problems)
        last = max(problem.last_noticed_at for problem in problems)
        assert (last - first).days > 60
        assert sum(problem.deduplicated_count for problem in problems) > 0
        assert {member.role for member in db.session.scalars(db.select(TeamMember))} >= {"admin", "developer", "viewer"}


def test_every_story_is_one_problem_and_every_course_is_taken(filled: Flask) -> None:
    stories = [story for app in APPS for story in app.stories]
    assert {story.course for story in stories} == set(COURSES)
    with filled.app_context():
        assert len(db.session.scalars(db.select(Problem)).all()) == len(stories)


def test_every_demo_user_can_sign_in_and_sees_problems(filled: Flask, client: FlaskClient) -> None:
    for address in ("site-admin@demo.example", "owner@demo.example", "viewer@demo.example"):
        visitor = filled.test_client()
        sign_in(visitor, address, PASSWORD)
        assert "unresolved" in visitor.get("/").text


def test_the_same_seed_creates_the_same_data(app: Flask, demo: tuple[Path, DemoData]) -> None:
    assert fill(app, PASSWORD).occurrences == demo[1].occurrences


def test_a_database_that_is_not_empty_is_left_alone(app: Flask, make: Factory) -> None:
    make.app("Mine")
    with pytest.raises(DomainError, match="not empty"):
        fill(app, PASSWORD)
    with app.app_context():
        assert [one.name for one in db.session.scalars(db.select(App))] == ["Mine"]
        assert db.session.scalars(db.select(User)).all() == []


def test_the_command_fills_once_and_prints_the_logins(tmp_path: Path) -> None:
    command = ["demo", "--json"]
    environment = {"CHECKEND_INSTANCE_PATH": str(tmp_path / "instance"), "PATH": "/usr/bin:/bin"}
    first = run(command, env=environment)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert {login["role"] for login in told["logins"]} >= {"site admin", "owner", "viewer"}
    assert "100% of" in first.stderr
    second = run(command, env=environment)
    assert second.returncode == 1
    assert "not empty" in second.stderr


def test_the_served_demo_leaves_the_configured_database_alone_and_cleans_up(tmp_path: Path) -> None:
    instance, temporary = tmp_path / "instance", tmp_path / "temporary"
    temporary.mkdir()
    environment = {
        "CHECKEND_INSTANCE_PATH": str(instance),
        "CHECKEND_URL": "https://errors.example.com",
        "TMPDIR": str(temporary),
        "PATH": os.defpath,
        "PYTHONUNBUFFERED": "1",
    }
    command = ["demo", "--serve", "--port", "0", "--password", "look around"]
    with Checkend(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        said = ""
        while "listening on" not in said:
            line = demo.stdout.readline()
            assert line, demo.communicate()[1]
            said += line
        assert re.search(r"site-admin@demo.example +site admin", said)
        url = said.rsplit(" ", 1)[1].strip()
        with urllib.request.urlopen(f"{url}/sign-in", timeout=20) as answer:
            assert answer.status == 200
        assert len(list(temporary.glob("checkend-demo-*/checkend.sqlite3"))) == 1
        demo.send_signal(signal.SIGTERM)
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 0, errors
    assert "no admin yet" not in errors
    assert list(temporary.iterdir()) == []
    assert not instance.exists()
