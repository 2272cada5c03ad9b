"""Messages for errors that can end any command: a full disk, a locked or damaged database."""

import errno
import sys
from typing import Any

import click

from checkend.cli._support.output import CommandError
from checkend.cli._support.terminal import PipeFriendlyGroup, discard_output

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CommandGroup(PipeFriendlyGroup):
    """A group whose commands end with a message and exit status 1 on such an error, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, BrokenPipeError):  # both are handled by click
            raise
        except Exception as error:
            message = explain(error)
            if message is None:
                raise
            _discard_unwritable_output()
            raise CommandError(message) from error


def explain(error: Exception) -> str | None:
    """Return what happened and what to do, or None if the error is a bug, whose traceback should be shown."""
    from checkend.db.errors import DriverError, driver_error
    from checkend.exceptions import StartupError

    if isinstance(error, StartupError):
        return str(error)
    original = driver_error(error)
    if isinstance(original, DriverError):
        return _explain_driver_error(original)
    if isinstance(error, OSError):
        path = f"{error.filename}: " if error.filename else ""
        advice = " Free some disk space, then try again." if error.errno in _DISK_FULL else ""
        return f"{path}{error.strerror or error}.{advice}"
    return None


def _explain_driver_error(error: Exception) -> str | None:
    from checkend.db.errors import is_busy, is_damaged, is_inaccessible, is_operational

    text = str(error)
    if is_busy(error) or "is locked" in text:
        return (
            "The database is locked by another process, and did not become available in time. Try again, or end that "
            "process."
        )
    if is_damaged(error):
        return (
            f"The database is damaged ({text}). Run `checkend db check` to find out more, and restore a backup with "
            "`checkend db restore`."
        )
    if is_inaccessible(error):
        return (
            f"The database cannot be read or written ({text}). Make sure that there is free disk space and that the "
            "instance folder is writable, then try again."
        )
    if is_operational(error):
        return f"The database cannot be used: {text}."
    return None


def _discard_unwritable_output() -> None:
    """Discard buffered output that cannot be written, so that Python does not fail again when it flushes at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()


def echo_if_possible(text: str) -> None:
    """Print ``text``, ignoring errors: a server keeps running if its output cannot be written, as on a full disk."""
    try:
        click.echo(text)
    except OSError:
        _discard_unwritable_output()
