"""``checkend doctor``: find out what is wrong with an installation."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.output import CommandError, command_errors, json_option, pluralize, print_json
from checkend.cli._support.terminal import style

if TYPE_CHECKING:
    from checkend.telemetry.diagnosis.finding import Finding

COLORS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command(epilog="Example: checkend doctor --send")
@click.option("--send", is_flag=True, help="Send a test notification through each enabled channel.")
@json_option
def doctor(send: bool, as_json: bool) -> None:
    """Check the clock, the disk, the database, the reverse proxy, mail and each channel, and say what to do.

    Run it with the server's settings, on the machine and as the user that the server runs on. A server may be running
    or not. Changes nothing; --send notes the result on the channels, as `checkend channel test` does. The exit status
    is 1 if there are errors, and 0 if there are only warnings.
    """
    findings = []
    with command_errors():
        for finding in _find(send):
            findings.append(finding)
            if not as_json:
                _print(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if errors := sum(finding.state == "error" for finding in findings):
        raise CommandError(f"{pluralize(errors, 'error')} found.")


def _find(send: bool) -> "Iterator[Finding]":
    """Yield the findings. Only the checks of mail and channels need the database; it may be damaged or missing."""
    from checkend import config
    from checkend.notifications.mail_settings import configured_settings
    from checkend.telemetry.diagnosis import network, storage
    from checkend.telemetry.diagnosis.finding import Check, run_checks

    folder = config.instance_path()
    settings = {name: value.value for name, value in config.load(folder).items()}
    [found] = run_checks([Check("folder", lambda: storage.check_folder(folder))])
    yield found
    if not folder.is_dir():
        return
    checks = [
        Check("disk", lambda: storage.check_disk(folder, settings)),
        Check("fsync", lambda: storage.check_fsync(folder)),
        Check("clock", lambda: storage.check_clock(folder)),
        Check("database", lambda: storage.check_database(folder)),
        Check("server", lambda: storage.check_server(folder)),
        Check("proxy", lambda: network.check_proxy(settings, _secret_key(folder, settings))),
    ]
    is_usable = False
    for finding in run_checks(checks):
        is_usable = is_usable or (finding.check == "database" and finding.state != "error")
        yield finding
    if is_usable:
        yield from _find_with_database(folder, send)
    else:
        yield from run_checks([Check("mail", lambda: network.check_mail(configured_settings(settings)))])


def _secret_key(folder: Path, settings: dict[str, Any]) -> str:
    from checkend.config.instance_secrets import read_or_create_secret_key

    path = folder / "secret_key"
    if settings["SECRET_KEY"] or not path.exists():  # without a key, no server has run yet
        return str(settings["SECRET_KEY"])
    return read_or_create_secret_key(folder)


def _find_with_database(folder: Path, send: bool) -> "Iterator[Finding]":
    from checkend.app import create_database_app
    from checkend.db.session import db
    from checkend.exceptions import StartupError
    from checkend.telemetry.diagnosis.channels import channel_checks, mail_check
    from checkend.telemetry.diagnosis.finding import MAX_PARALLEL, Finding, run_checks

    try:
        app = create_database_app(instance_path=folder, must_exist=True)
    except StartupError as error:
        yield Finding("channels", "error", str(error), "Correct the cause, then run the command again.")
        return
    with app.app_context():
        mail, checks = mail_check(), channel_checks(app, send=send)
        db.session.remove()
    yield from run_checks([mail])
    yield from run_checks(checks, parallel=MAX_PARALLEL)
    with app.app_context():
        db.engine.dispose()


def _print(finding: "Finding") -> None:
    click.echo(f"{style(finding.state.ljust(7), fg=COLORS[finding.state])}  {finding.check}: {finding.fact}")
    if finding.advice:
        click.echo(f"         {finding.advice}")
