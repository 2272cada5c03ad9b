"""What commands need to know about standard input and output: colors, a reader that leaves early, no terminal."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


class PipeFriendlyGroup(click.Group):
    """A group whose commands end quietly, with exit status 0, when the reader of their output leaves.

    That is what ``checkend app list | head -1`` does. Click itself ends such a command with status 1.
    """

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the command line, and print ``--help`` or ``--version`` where it asks for that."""
        with _until_reader_leaves():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _until_reader_leaves():
            return super().invoke(ctx)


@contextmanager
def _until_reader_leaves() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        if not output_is_closed():  # it was another pipe or socket: an error like any other
            raise
        discard_output()
        sys.exit(0)


def output_is_closed() -> bool:
    """Return whether standard output is a pipe or socket that nobody reads any more."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError, AttributeError):  # not a file of the system, already closed, or there is none
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def discard_output() -> None:
    """Send standard output nowhere from now on, so that Python's flush at exit does not fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def has_terminal() -> bool:
    """Return whether someone can be asked: standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def style(text: str, **styles: Any) -> str:
    """Return ``text`` with these styles of `click.style`, and unchanged where NO_COLOR is set (https://no-color.org).

    Where the output is no terminal `click.echo` removes them again.
    """
    return text if os.environ.get("NO_COLOR") else click.style(text, **styles)
