"""``checkend problem``: list, resolve and mute problems."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.output import json_option, open_database, pluralize, print_json, print_table
from checkend.cli._support.records import find_app, find_problem, load_fields

if TYPE_CHECKING:
    from checkend.models import Problem

STATUSES = ("unresolved", "muted", "resolved", "all")
MAX_LISTED = 1_000


@click.group("problem")
def group() -> None:
    """List, resolve and mute problems."""


@group.command("list", epilog="Example: checkend problem list shop --status muted")
@click.argument("app", required=False)
@click.option("--status", type=click.Choice(STATUSES), default="unresolved", help="[unresolved: without muted ones]")
@click.option("--search", default="", help="Only problems with this text in their class or message.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=50, help="At most this many. [50]")
@json_option
def list_(app: str | None, status: str, search: str, limit: int, as_json: bool) -> None:
    """List the problems of APP (its slug or id), or of all apps, last seen first."""
    with open_database():
        from checkend.db.session import db
        from checkend.models.problem import details_options
        from checkend.models.problem_list import ProblemFilter, count_problems, find_problems
        from checkend.models.scope import AppScope
        from checkend.schemas.problem import ProblemSchema

        scope = AppScope.of([find_app(app).id]) if app else AppScope.all()
        muted = {"muted": True, "unresolved": False}.get(status)
        filters = ProblemFilter(
            status="resolved" if status == "resolved" else None if status == "all" else "unresolved",
            muted=muted,
            search=search,
        )
        total = count_problems(scope, filters)
        statement = find_problems(scope, filters).options(*details_options()).limit(limit)
        problems = ProblemSchema(many=True).dump(db.session.scalars(statement))
    if as_json:
        print_json(problems)
        return
    print_table(
        ("id", "status", "occurrences", "last seen", "problem"),
        [
            (
                problem["id"],
                "muted" if problem["muted"] else problem["status"],
                problem["notices_count"] + problem["deduplicated_count"],
                problem["last_noticed_at"],
                f"{problem['error_class']}: {problem['error_message'] or '(no message)'}".replace("\n", " ")[:100],
            )
            for problem in problems
        ],
        "There are no such problems.",
    )
    if total > limit:
        click.echo(f"{total - limit:,} more. Use --limit or --search.")


@group.command("show", epilog="Example: checkend problem show 17 --json")
@click.argument("problem")
@json_option
def show(problem: str, as_json: bool) -> None:
    """Show PROBLEM (its id)."""
    with open_database():
        from checkend.schemas.problem import ProblemSchema

        fields = ProblemSchema().dump(find_problem(problem))
    if as_json:
        print_json(fields)
        return
    for field, value in fields.items():
        values = [tag["name"] for tag in value] if field == "tags" else value if isinstance(value, list) else [value]
        text = ", ".join(str(one) for one in values if one is not None)
        click.echo(f"{field.replace('_', ' '):20}{text}".rstrip())


@group.command("resolve", epilog="Example: checkend problem resolve 17 18")
@click.argument("problems", nargs=-1, required=True)
@json_option
def resolve(problems: tuple[str, ...], as_json: bool) -> None:
    """Mark PROBLEMS (their ids) as resolved. One that occurs again is reopened automatically."""
    _change(problems, lambda problem: problem.resolve(), "Resolved", as_json)


@group.command("unresolve", epilog="Example: checkend problem unresolve 17")
@click.argument("problems", nargs=-1, required=True)
@json_option
def unresolve(problems: tuple[str, ...], as_json: bool) -> None:
    """Reopen PROBLEMS (their ids)."""
    _change(problems, lambda problem: problem.unresolve(), "Reopened", as_json)


@group.command("mute", epilog="Example: checkend problem mute 17 --until 2026-12-24T08:00:00Z --reason 'known outage'")
@click.argument("problems", nargs=-1, required=True)
@click.option("--until", metavar="TIME", help="Until this date or time; UTC unless it has an offset.")
@click.option("--occurrences", type=int, metavar="N", help="For N more occurrences.")
@click.option("--within-minutes", type=int, metavar="M", help="With --occurrences: until N occur within M minutes.")
@click.option("--until-release", is_flag=True, help="Until it occurs in a release that the app has not reported yet.")
@click.option("--reason", help="Why; shown with the problem.")
@json_option
def mute(problems: tuple[str, ...], until_release: bool, as_json: bool, **terms: Any) -> None:
    """Mute PROBLEMS (their ids): they keep counting but send no notifications. By default, until they are unmuted."""
    given = {name: value for name, value in terms.items() if value is not None}

    def run(problem: "Problem") -> None:
        from checkend.models.mute import mute_problem
        from checkend.schemas.mute import MuteTermsSchema, mute_terms

        body = given | ({"until_release": True} if until_release else {})
        mute_problem(problem, mute_terms(load_fields(MuteTermsSchema(), body)))

    _change(problems, run, "Muted", as_json)


@group.command("unmute", epilog="Example: checkend problem unmute 17")
@click.argument("problems", nargs=-1, required=True)
@json_option
def unmute(problems: tuple[str, ...], as_json: bool) -> None:
    """End the mutes of PROBLEMS (their ids)."""

    def run(problem: "Problem") -> None:
        from checkend.models.mute import unmute_problem

        unmute_problem(problem)

    _change(problems, run, "Unmuted", as_json)


def _change(references: tuple[str, ...], run: "Callable[[Problem], None]", verb: str, as_json: bool) -> None:
    """Run an action on all of the problems, or on none of them if one does not exist or cannot be changed."""
    with open_database(writing=True):
        from checkend.schemas.problem import ProblemSchema

        problems = [find_problem(reference) for reference in references]
        for problem in problems:
            run(problem)
        fields = ProblemSchema(many=True).dump(problems)
    if as_json:
        print_json(fields)
    else:
        click.echo(f"{verb} {pluralize(len(fields), 'problem')}.")
