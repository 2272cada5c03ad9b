"""Options of ``checkend app update`` for the retention of an app's notices."""

from collections.abc import Callable
from typing import Any

import click

from checkend.config import MAX_RETENTION_DAYS, MAX_RETENTION_NOTICES

SERVER = "server"


def _up_to(maximum: int) -> Callable[[str], int | str]:
    def parse(text: str) -> int | str:
        if text == SERVER or (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= maximum):
            return text if text == SERVER else int(text)
        raise click.BadParameter(f"{text!r} is neither a whole number from 0 to {maximum} nor {SERVER!r}.")

    return parse


retention_days_option = click.option(
    "--retention-days",
    type=_up_to(MAX_RETENTION_DAYS),
    metavar="DAYS",
    help="Days to keep notices; 0 keeps them forever, 'server' applies the server's setting.",
)
retention_notices_option = click.option(
    "--retention-notices",
    type=_up_to(MAX_RETENTION_NOTICES),
    metavar="NUMBER",
    help="Newest notices to keep per problem; 0 keeps all, 'server' applies the server's setting.",
)


def retention_of(options: dict[str, int | str | None]) -> dict[str, Any]:
    """Return the columns of an app to set, by name: None for the server's setting. Unused options are left out."""
    return {name: None if value == SERVER else value for name, value in options.items() if value is not None}
