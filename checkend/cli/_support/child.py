"""Runs the command that a user passes to ``checkend dev`` or ``checkend fixture``."""

import os
import signal
import subprocess
import sys

from checkend.cli._support.output import CommandError
from checkend.cli._support.supervisor import Supervisor

KILL_SECONDS = 5.0


class CommandNotFoundError(CommandError):
    """The command to run does not exist; exits with the same status as a shell."""

    exit_code = 127


class CommandNotExecutableError(CommandError):
    """The command to run cannot be executed; exits with the same status as a shell."""

    exit_code = 126


def run_command(command: tuple[str, ...], variables: dict[str, str], supervisor: Supervisor) -> int:
    """Run ``command`` with ``variables`` added to its environment, and return its exit status.

    The status is 128 + n if signal n ended it. Signals are forwarded to it, and it is terminated when the parent of
    this process exits. Raises `CommandError`, with the exit status that shells use, if it cannot be started.
    """
    try:
        child = subprocess.Popen(command, env={**os.environ, **variables})
    except OSError as error:
        error_type = CommandNotFoundError if isinstance(error, FileNotFoundError) else CommandNotExecutableError
        raise error_type(f"Cannot run {command[0]}: {error.strerror}.") from error
    supervisor.watch_child(child)
    while (reason := supervisor.wait()) != "child":
        if reason == "parent":
            _terminate(child)
        elif not _received_from_terminal(supervisor.signal):
            child.send_signal(supervisor.signal)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _received_from_terminal(number: int) -> bool:
    """Return whether the child has received the signal as well: a terminal sends Ctrl-C to both processes."""
    return number == signal.SIGINT and sys.stdin is not None and sys.stdin.isatty()


def _terminate(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
