"""``checkend problem``, next to a server on the same database."""

from typing import Any

import pytest

from tests.support.factories import Factory


@pytest.fixture(autouse=True)
def problems(make: Factory) -> None:
    """Create an app with three problems."""
    app_id = make.app("Shop")["id"]
    for name in ("Aged", "Busy", "Calm"):
        make.problem(app_id, error_class=name, error_message="two\nlines")


def test_problems_are_listed_by_status(read: Any, run: Any) -> None:
    assert sorted(problem["error_class"] for problem in read("problem", "list")) == ["Aged", "Busy", "Calm"]
    read("problem", "resolve", "1")
    muted = read("problem", "mute", "2", "--until", "2999-12-24", "--reason", "holidays")
    assert [(one["id"], one["muted_until"], one["mute_reason"]) for one in muted] == [
        (2, "2999-12-24T00:00:00Z", "holidays")
    ]
    for status, ids in {"unresolved": [3], "muted": [2], "resolved": [1], "all": [1, 2, 3]}.items():
        assert sorted(problem["id"] for problem in read("problem", "list", "shop", "--status", status)) == ids
    assert [one["id"] for one in read("problem", "list", "--status", "all", "--search", "aged")] == [1]
    assert "2 more. Use --limit or --search." in run("problem", "list", "--status", "all", "--limit", "1").output
    assert "Calm: two lines" in run("problem", "list").output


def test_problems_are_resolved_reopened_muted_and_unmuted(read: Any, run: Any) -> None:
    assert run("problem", "resolve", "1", "2").stdout == "Resolved 2 problems.\n"
    assert run("problem", "unresolve", "1", "2").stdout == "Reopened 2 problems.\n"
    assert run("problem", "mute", "1", "--until-release").stdout == "Muted 1 problem.\n"
    assert run("problem", "mute", "2", "--occurrences", "5", "--within-minutes", "10").stdout == "Muted 1 problem.\n"
    assert [problem["muted"] for problem in read("problem", "list", "--status", "all")].count(True) == 2
    assert run("problem", "unmute", "1", "2").stdout == "Unmuted 2 problems.\n"
    assert read("problem", "list", "--status", "muted") == []
    assert "error class" in run("problem", "show", "1").output


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        (["resolve", "1", "99"], "There is no problem '99'. See `checkend problem list`.", 3),
        (["mute", "1", "--within-minutes", "5"], "within_minutes needs occurrences.", 1),
        (["mute", "1", "--until", "2020-01-01"], "'until' must be in the future.", 1),
        (["list", "nope"], "There is no app 'nope'.", 3),
    ],
)
def test_a_rejected_command_changes_nothing(
    arguments: list[str], message: str, status: int, run: Any, read: Any
) -> None:
    assert message in run("problem", *arguments, status=status).stderr
    assert len(read("problem", "list")) == 3
