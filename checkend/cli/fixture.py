"""``checkend fixture``: the server as a test fixture, for any language."""

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.options import PORT
from checkend.cli._support.output import EXIT_FAILURE, CommandError, command_errors
from checkend.server.garbage_collection import collector_paused

if TYPE_CHECKING:
    from checkend.cli._support.supervisor import Supervisor
    from checkend.testing._runner.runner import FixtureRunner
    from checkend.testing.types import Access

SETTLE_SECONDS = 2.0
KILL_SECONDS = 5.0


class CommandNotFoundError(CommandError):
    """The command to run does not exist; the status that shells give."""

    exit_code = 127


class CommandNotExecutableError(CommandError):
    """The command to run cannot be run; the status that shells give."""

    exit_code = 126


@click.command("fixture", epilog="Example: checkend fixture --fail-on-error -- npm test")
@click.option("--port", type=PORT, default=0, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address or host name to listen on, for other containers."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the server; repeatable.")
@click.option("--fail-on-error", is_flag=True, help="Exit with 1, and say what, when something was reported.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def fixture(port: int, host: str, settings: tuple[str, ...], fail_on_error: bool, command: tuple[str, ...]) -> None:
    """A real server with a temporary store, for tests in any language.

    Without COMMAND, print one line of JSON when ready (url, ingestion_key, api_key, app, env, pid), and serve until
    standard input closes, SIGTERM comes, or the parent process is gone. With COMMAND, run it with the variables set
    that make an SDK report here, and exit as it does. No setting comes from the environment, and nothing is left
    behind. The routes below /_fixture/ wait, reset, set faults and show the journal.
    """
    if fail_on_error and not command:
        raise click.UsageError("--fail-on-error goes with a COMMAND: checkend fixture --fail-on-error -- npm test")
    from checkend.cli._support.supervisor import Supervisor

    leaving = Supervisor()
    with command_errors(), collector_paused():
        from checkend.testing._runner.runner import FixtureRunner

        running = FixtureRunner(_read(settings), port, host)
    try:
        access = running.fixture.create_app("main")
        status = _run(command, running, access, leaving, fail_on_error) if command else _serve(access, leaving)
    finally:
        running.stop()
    sys.exit(status)


def _read(settings: tuple[str, ...]) -> dict[str, Any]:
    read = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise click.BadParameter(f"{setting!r} is not of the form NAME=VALUE.", param_hint="--set")
        read[name.removeprefix("CHECKEND_")] = value
    return read


def _serve(access: "Access", leaving: "Supervisor") -> int:
    leaving.watch_input()
    click.echo(json.dumps(access))
    leaving.wait()
    return 0


def _run(
    command: tuple[str, ...], running: "FixtureRunner", access: "Access", leaving: "Supervisor", fail_on_error: bool
) -> int:
    status = run_command(command, environment(access), leaving)
    if not fail_on_error:
        return status
    running.fixture.journal.wait_until_idle(SETTLE_SECONDS)
    fixture, slug = running.fixture, access["app"]
    if not fixture.problems(slug) and not fixture.rejected(slug):
        return status
    click.echo(f"checkend fixture: the command reported errors.\n{fixture.explain(slug)}", err=True)
    return status or EXIT_FAILURE


def environment(access: "Access") -> dict[str, str]:
    """What a command gets beyond its own environment: the SDK's variables, and the key to ask the server with."""
    return {**access["env"], "CHECKEND_MANAGEMENT_KEY": access["api_key"]}


def run_command(command: tuple[str, ...], variables: dict[str, str], leaving: "Supervisor") -> int:
    """Run ``command`` with ``variables`` set until it ends; its exit status, 128 + n when signal n ended it.

    Signals are passed on to it; it is ended when the parent of this process is gone. Raises `CommandError` when it
    cannot be started, with the status that shells give.
    """
    try:
        child = subprocess.Popen(command, env={**os.environ, **variables})
    except OSError as error:
        refusal = CommandNotFoundError if isinstance(error, FileNotFoundError) else CommandNotExecutableError
        raise refusal(f"{command[0]} cannot be run: {error.strerror}.") from error
    leaving.watch_child(child)
    while (reason := leaving.wait()) != "child":
        if reason == "parent":
            _end(child)
        elif not _has_received(leaving.signal):
            child.send_signal(leaving.signal)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _has_received(number: int) -> bool:
    """A terminal's Ctrl-C goes to the command as well as to us."""
    import signal

    return number == signal.SIGINT and sys.stdin is not None and sys.stdin.isatty()


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
