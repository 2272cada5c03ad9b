"""Turn what can end any command (a full disk, a locked or damaged database) into messages, in one place."""

import errno
import sys
from typing import Any

import click

from checkend.cli._support.output import CommandError
from checkend.cli._support.terminal import PipeFriendlyGroup, discard_output

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CommandGroup(PipeFriendlyGroup):
    """A group whose commands end with a message and exit status 1 on such an error, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, BrokenPipeError):  # click ends the command for both
            raise
        except Exception as error:
            message = explain(error)
            if message is None:
                raise
            _discard_unwritable_output()
            raise CommandError(message) from error


def explain(error: Exception) -> str | None:
    """Return what happened and what to do; None for an error that is a bug, whose traceback should be seen."""
    from checkend.db.errors import DriverError, driver_error
    from checkend.exceptions import StartupError

    if isinstance(error, StartupError):
        return str(error)
    original = driver_error(error)
    if isinstance(original, DriverError):
        return _explain_driver_error(original)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        advice = " Make room on the disk, then try again." if error.errno in _NO_ROOM else ""
        return f"{place}{error.strerror or error}.{advice}"
    return None


def _explain_driver_error(error: Exception) -> str | None:
    from checkend.db.errors import is_busy, is_damaged, is_inaccessible, is_operational

    text = str(error)
    if is_busy(error) or "is locked" in text:
        return "The database is locked by another process, and was not free in time. Try again, or end that process."
    if is_damaged(error):
        return (
            f"The database is damaged ({text}). See what is wrong with `checkend db check`, and put a backup back with "
            "`checkend db restore`."
        )
    if is_inaccessible(error):
        return (
            f"The database cannot be read or written ({text}). Make sure that there is room on the disk and that the "
            "instance folder can be written, then try again."
        )
    if is_operational(error):
        return f"The database cannot be used: {text}."
    return None


def _discard_unwritable_output() -> None:
    """Keep Python from failing once more, at its exit, to write what standard output does not take."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()


def echo_if_possible(text: str) -> None:
    """Print ``text`` if standard output takes it: a server runs on where it does not, as on a full disk."""
    try:
        click.echo(text)
    except OSError:
        _discard_unwritable_output()
