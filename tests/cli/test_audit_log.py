"""``checkend audit-log``."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from checkend import clock
from checkend.cli import main
from checkend.db.session import db
from checkend.models import AuditEntry, Team, User
from tests.support.factories import Factory

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["audit-log", *arguments], env={"CHECKEND_INSTANCE_PATH": app.instance_path})

    return run


def test_entries_are_printed_newest_first_one_per_line(run: Run, make: Factory) -> None:
    assert run().stdout == "There are no such entries.\n"
    make.user("ada@example.com")
    make.run(lambda: Team.create("Co\x1b[31m\u202ere", db.session.get_one(User, 1)))
    lines = run().stdout.splitlines()
    assert [line.partition("  ")[2] for line in lines] == [
        r"The command line created the team Co\x1b[31m\u202ere, owned by ada@example.com",
        "The command line created the user ada@example.com",
    ]
    assert run("--event", "user").stdout.splitlines() == lines[1:]


def test_limit_filters_and_json(run: Run, make: Factory) -> None:
    for number in range(3):
        make.app(f"App {number}")
    earlier = clock.now() - timedelta(days=8)
    make.run(lambda: db.session.execute(db.update(AuditEntry).where(AuditEntry.id == 1).values(at=earlier)))
    done = run("--json", "--limit", "1")
    assert json.loads(done.stdout)["target"] == {"kind": "app", "id": 3, "label": "App 2"}
    assert done.stderr == "2 more. Use --limit or a filter.\n"

    def ids(*arguments: str) -> list[int]:
        return [json.loads(line)["id"] for line in run("--json", *arguments).stdout.splitlines()]

    assert ids("--limit", "0") == [3, 2, 1]
    assert ids("--since", "7d") == [3, 2]
    assert ids("--since", "2020-01-01") == [3, 2, 1]
    assert ids("--app", "app-1") == [2]
    assert ids("--actor", "user") == []
    assert run("--actor", "user", "--json").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--event", "app.eaten"], 1, "There is no event 'app.eaten'."),
        (["--app", "nowhere"], 1, "There is no app with the slug 'nowhere'."),
        (["--since", "soon"], 2, "'soon' is neither a duration such as 30d nor a date such as 2026-11-24."),
    ],
)
def test_invalid_options_are_rejected(run: Run, arguments: list[str], status: int, message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == status
    assert message in done.stderr
