"""``checkend fixture``: the server as a test fixture, for any language."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.options import PORT
from checkend.cli._support.output import EXIT_FAILURE, command_errors
from checkend.server.garbage_collection import collector_paused

if TYPE_CHECKING:
    from checkend.cli._support.supervisor import Supervisor
    from checkend.testing._runner.fixture import Fixture
    from checkend.testing.types import Access

SETTLE_SECONDS = 2.0


@click.command("fixture", epilog="Example: checkend fixture --fail-on-error -- npm test")
@click.option("--port", type=PORT, default=0, show_default=True, help="Port to listen on; 0 chooses a free one.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="IP address or host name to listen on, for tests in other containers.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a setting of the server; repeatable.")
@click.option("--fail-on-error", is_flag=True, help="If anything is reported, print it and exit with status 1.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def fixture(port: int, host: str, settings: tuple[str, ...], fail_on_error: bool, command: tuple[str, ...]) -> None:
    """Run a real server with a temporary database, for tests in any language.

    Without COMMAND, print one line of JSON when the server is ready (url, ingestion_key, api_key, app, env, pid), and
    run until standard input is closed, a signal is received, or the parent process exits. With COMMAND, run it with the
    environment variables that make an SDK report to this server, and exit with its status.

    Settings in the environment are ignored, and nothing is left behind. Routes below /_fixture/ wait for reports, reset
    the data, set faults and return the journal of requests.
    """
    if fail_on_error and not command:
        raise click.UsageError("--fail-on-error requires a COMMAND: checkend fixture --fail-on-error -- npm test")
    from checkend.cli._support.supervisor import Supervisor

    supervisor = Supervisor()
    with command_errors(), collector_paused():
        # The only import of checkend.testing outside of it: this command is the entry point of the fixture.
        from checkend.testing._runner.runner import FixtureRunner

        runner = FixtureRunner(_parse_settings(settings), port, host)
    try:
        access = runner.fixture.create_app("main")
        if command:
            status = _run_command(command, runner.fixture, access, supervisor, fail_on_error)
        else:
            supervisor.watch_input()
            click.echo(json.dumps(access))
            supervisor.wait()
            status = 0
    finally:
        runner.stop()
    sys.exit(status)


def _parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise click.BadParameter(f"{setting!r} is not of the form NAME=VALUE.", param_hint="--set")
        values[name.removeprefix("CHECKEND_")] = value
    return values


def _run_command(
    command: tuple[str, ...], fixture: "Fixture", access: "Access", supervisor: "Supervisor", fail_on_error: bool
) -> int:
    from checkend.cli._support.child import run_command

    variables = {**access["env"], "CHECKEND_MANAGEMENT_KEY": access["api_key"]}
    status = run_command(command, variables, supervisor)
    if not fail_on_error:
        return status
    fixture.journal.wait_until_idle(SETTLE_SECONDS)
    slug = access["app"]
    if not fixture.problems(slug) and not fixture.rejected(slug):
        return status
    click.echo(f"checkend fixture: The command reported errors.\n{fixture.explain(slug)}", err=True)
    return status or EXIT_FAILURE
