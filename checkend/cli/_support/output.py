"""Output of the commands: tables and messages for people, JSON for programs, and exit statuses for both."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import click

EXIT_FAILURE = 1
EXIT_NOT_FOUND = 3

Function = TypeVar("Function", bound=Callable[..., Any])


class CommandError(click.ClickException):
    """The command line is valid, but the command cannot be done; ends it with the message and exit status 1."""

    exit_code = EXIT_FAILURE


class RecordNotFoundError(click.ClickException):
    """A record given on the command line does not exist; ends the command with the message and exit status 3."""

    exit_code = EXIT_NOT_FOUND


def json_option(function: Function) -> Function:
    """Add ``--json``, passed as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def yes_option(function: Function) -> Function:
    """Add ``--yes``, passed as ``yes``."""
    return click.option("--yes", is_flag=True, help="Do not ask for confirmation.")(function)


def confirm(question: str, yes: bool) -> None:
    """Ask for confirmation unless ``yes``. Raises `CommandError` if it is not given, or there is no terminal."""
    if not yes:
        try:
            click.confirm(question, abort=True, err=True)
        except click.Abort:
            raise CommandError("Not confirmed, so nothing was changed. Use --yes to confirm in advance.") from None


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], empty_message: str) -> None:
    """Print aligned columns under ``headers``, or ``empty_message`` if there are no rows."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(empty_message)
        return
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    for line in ([header.upper() for header in headers], *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def pluralize(number: int, noun: str) -> str:
    """Return, for example, ``1 app`` or ``1,234 apps``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@contextmanager
def command_errors() -> Iterator[None]:
    """Raise `CommandError` for invalid settings and violated rules in the block.

    Other errors are handled by `checkend.cli._support.errors`.
    """
    from sqlalchemy.exc import IntegrityError

    from checkend.exceptions import DomainError, StartupError

    try:
        yield
    except (StartupError, DomainError) as error:
        raise CommandError(str(error)) from error
    except IntegrityError as error:
        raise CommandError("Someone else used this name or changed this record at the same time. Try again.") from error


@contextmanager
def open_database(*, writing: bool = False, create: bool = False) -> Iterator[None]:
    """Run a block with the database in `checkend.db.session.db`; if ``writing``, in a write transaction.

    A server may be using the database at the same time. Only ``create`` creates a missing database, so that a mistyped
    folder does not become one. Raises `CommandError` for invalid settings and violated rules.
    """
    with command_errors():
        from checkend.app import create_database_app
        from checkend.db.session import db
        from checkend.db.transactions import write_transaction

        with create_database_app(must_exist=not create).app_context():
            try:
                with write_transaction() if writing else nullcontext():
                    yield
            finally:
                db.session.remove()
                db.engine.dispose()
