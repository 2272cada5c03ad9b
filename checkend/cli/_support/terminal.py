"""Standard input and output: colors, readers that exit early, missing terminals."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


class PipeFriendlyGroup(click.Group):
    """A group whose commands end quietly, with exit status 0, when the reader of their output exits.

    An example is ``checkend app list | head -1``. Click itself would end the command with status 1.
    """

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the command line, which prints the output of ``--help`` and ``--version``."""
        with _until_reader_exits():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _until_reader_exits():
            return super().invoke(ctx)


@contextmanager
def _until_reader_exits() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        if not output_is_closed():  # another pipe or socket is broken
            raise
        discard_output()
        sys.exit(0)


def output_is_closed() -> bool:
    """Return whether standard output is a pipe or socket whose reader has exited."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError, AttributeError):  # without a file descriptor, closed, or None
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def discard_output() -> None:
    """Discard everything written to standard output from now on, so that Python does not fail when it exits."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def has_terminal() -> bool:
    """Return whether standard input is a terminal, so that the command can prompt."""
    return sys.stdin is not None and sys.stdin.isatty()


def style(text: str, **styles: Any) -> str:
    """Return ``text`` with these styles of `click.style`, or unchanged if NO_COLOR is set (https://no-color.org).

    `click.echo` removes the styles if the output is not a terminal.
    """
    return text if os.environ.get("NO_COLOR") else click.style(text, **styles)
