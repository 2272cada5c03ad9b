"""How commands speak: tables and sentences for people, JSON for programs, exit statuses for both."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

EXIT_FAILURE = 1
EXIT_NOT_FOUND = 3

Function = TypeVar("Function", bound=Callable[..., Any])


class CommandError(click.ClickException):
    """The command was understood, but cannot be done; ends it with its sentence and exit status 1."""

    exit_code = EXIT_FAILURE


class RecordNotFoundError(click.ClickException):
    """What the command names does not exist; exit status 3."""

    exit_code = EXIT_NOT_FOUND


def json_option(function: Function) -> Function:
    """``--json``, passed on as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def yes_option(function: Function) -> Function:
    """``--yes``, passed on as ``yes``."""
    return click.option("--yes", is_flag=True, help="Do not ask for confirmation.")(function)


def confirm(question: str, yes: bool) -> None:
    """Go on only if ``yes`` or the person agrees. Raises `CommandError` when there is nobody to ask."""
    if not yes:
        try:
            click.confirm(question, abort=True, err=True)
        except click.Abort:
            raise CommandError(
                "Not confirmed, so nothing was changed. --yes answers the question beforehand."
            ) from None


def print_json(value: Any) -> None:
    """``value`` as indented JSON on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], nothing: str) -> None:
    """Aligned columns under ``headers``; the sentence ``nothing`` where there are no rows."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(nothing)
        return
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    for line in ([header.upper() for header in headers], *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@contextmanager
def command_errors() -> Iterator[None]:
    """Turn what settings and the rules refuse into the end of the command; all else does
    `checkend.cli._support.errors`.
    """
    from sqlalchemy.exc import IntegrityError

    from checkend.exceptions import DomainError, StartupError

    try:
        yield
    except (StartupError, DomainError) as error:
        raise CommandError(str(error)) from error
    except IntegrityError as error:
        raise CommandError("Someone else took this name, or changed this record, at the same moment.") from error


@contextmanager
def open_database(*, writing: bool = False, create: bool = False) -> Iterator[None]:
    """A block with the store in `checkend.db.session.db`; with ``writing`` committed at its end.

    The store may be in use by a server. Where there is none it is created with ``create`` alone: a mistyped folder
    should not become one. Ends the command with a sentence when something is refused.
    """
    with command_errors():
        from checkend.app import create_database_app
        from checkend.db.session import db
        from checkend.db.transactions import begin_writing

        with create_database_app(must_exist=not create).app_context():
            if writing:
                begin_writing()
            try:
                yield
                if writing:
                    db.session.commit()
            finally:
                db.session.remove()
                db.engine.dispose()
