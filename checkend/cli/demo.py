"""``checkend demo``: something to look at."""

import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checkend.cli._support.options import PORT
from checkend.cli._support.output import command_errors, json_option, print_json, print_table
from checkend.cli._support.records import load_fields
from checkend.cli.serve import run_server

if TYPE_CHECKING:
    from checkend.demo import Filled


@click.command("demo", epilog="Example: checkend demo --serve --open")
@click.option("--serve", is_flag=True, help="Serve the data from a temporary database, until Ctrl-C.")
@click.option("--port", type=PORT, help="With --serve: port to listen on. [CHECKEND_PORT, else 8080]")
@click.option("--open", "open_browser", is_flag=True, help="With --serve: open the dashboard in a browser.")
@click.option("--password", help="Password of every user in the data; generated and printed if not given.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number produces other data.")
@json_option
def demo(serve: bool, port: int | None, open_browser: bool, password: str | None, seed: int, as_json: bool) -> None:
    """Fill an empty database with realistic apps, months of errors, and a user in every role.

    With --serve the data goes into a temporary database, which is removed at the end: nothing of yours is touched.
    Without it, the data goes into the instance folder, unless the database there holds users or apps.
    """
    import secrets

    from checkend.schemas.user import UserSchema

    if password is not None:
        load_fields(UserSchema(), {"password": password}, partial=True)
    if serve and as_json:
        raise click.UsageError("--json cannot be combined with --serve.")
    if not serve and (port is not None or open_browser):
        raise click.UsageError("--port and --open need --serve.")
    chosen = password or secrets.token_urlsafe(9)
    with command_errors():
        if serve:
            _serve(chosen, seed, port, open_browser)
        else:
            _print(_fill(None, chosen, seed), chosen, as_json)


def _serve(password: str, seed: int, port: int | None, open_browser: bool) -> None:
    from checkend import config
    from checkend.server import waitress_server

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the block below, which removes the folder
    with tempfile.TemporaryDirectory(prefix="checkend-demo-") as name:
        folder = Path(name)
        # Links lead to this server and nobody gets mail, whatever the environment sets for another one.
        settings = {"URL": "", "MAIL_HOST": ""} | ({} if port is None else {"PORT": port})
        values = config.load(folder)
        config.override(values, settings)
        waitress_server.bind(
            values["HOST"].value, values["PORT"].value
        ).close()  # a port in use is said before the long part
        _print(_fill(folder, password, seed), password, as_json=False)
        click.echo("\nCtrl-C ends the server and removes the data.")
        run_server(settings, open_browser, folder)


def _fill(folder: Path | None, password: str, seed: int) -> "Filled":
    from checkend.app import create_database_app
    from checkend.demo import fill

    return fill(create_database_app(instance_path=folder), password, seed=seed, progress=_progress)


def _print(filled: "Filled", password: str, as_json: bool) -> None:
    logins = [{"email_address": address, "role": role, "password": password} for address, role in filled.logins]
    if as_json:
        counts = {"apps": filled.apps, "problems": filled.problems, "notices": filled.notices}
        print_json({**counts, "occurrences": filled.occurrences, "logins": logins})
        return
    click.echo(
        f"Created {filled.apps} apps, {filled.problems} problems and {filled.occurrences:,} occurrences "
        f"({filled.notices:,} of them stored). Sign in as any of these users with the password {password}\n"
    )
    print_table(("email address", "role"), [(login["email_address"], login["role"]) for login in logins], "")


def _progress(done: int, total: int) -> None:
    click.echo(f"\r{done * 100 // total:3d}% of {total:,} reports", nl=done == total, err=True)
