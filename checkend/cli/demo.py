"""``checkend demo``: realistic sample data."""

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
    from checkend.demo import DemoData


@click.command("demo", epilog="Example: checkend demo --serve --open")
@click.option("--serve", is_flag=True, help="Run a server with the data in a temporary database, until Ctrl-C.")
@click.option("--port", type=PORT, help="With --serve: port to listen on. [CHECKEND_PORT, else 8080]")
@click.option("--open", "open_browser", is_flag=True, help="With --serve: open the dashboard in a browser.")
@click.option("--password", help="Password of all users in the data. [generated and printed]")
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Seed of the random data; another number produces other data.",
)
@json_option
def demo(serve: bool, port: int | None, open_browser: bool, password: str | None, seed: int, as_json: bool) -> None:
    """Fill an empty database with realistic apps, months of errors, and a user with each role.

    With --serve, the data is in a temporary database, which is removed when the server stops; your own database is not
    used. Otherwise, the data is added to the database in the instance folder, which must not contain any users or apps.
    """
    import secrets

    from checkend.schemas.user import UserSchema

    if password is not None:
        load_fields(UserSchema(), {"password": password}, partial=True)
    if serve and as_json:
        raise click.UsageError("--json cannot be combined with --serve.")
    if not serve and (port is not None or open_browser):
        raise click.UsageError("--port and --open require --serve.")
    password = password or secrets.token_urlsafe(9)
    with command_errors():
        if serve:
            _serve(password, seed, port, open_browser)
        else:
            _print(_fill(None, password, seed), password, as_json)


def _serve(password: str, seed: int, port: int | None, open_browser: bool) -> None:
    from checkend import config
    from checkend.server import waitress_server

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # raises in the block below, which removes the folder
    with tempfile.TemporaryDirectory(prefix="checkend-demo-") as name:
        folder = Path(name)
        # The environment may contain the settings of another server: do not link to it, and do not send mail.
        settings = {"URL": "", "MAIL_HOST": ""} | ({} if port is None else {"PORT": port})
        values = config.load(folder)
        config.override(values, settings)
        # Fail before the slow part if the port is in use.
        waitress_server.bind(values["HOST"].value, values["PORT"].value).close()
        _print(_fill(folder, password, seed), password, as_json=False)
        click.echo("\nPress Ctrl-C to stop the server and remove the data.")
        run_server(settings, open_browser, folder)


def _fill(folder: Path | None, password: str, seed: int) -> "DemoData":
    from checkend.app import create_database_app
    from checkend.demo import fill

    return fill(create_database_app(instance_path=folder), password, seed=seed, progress=_progress)


def _print(data: "DemoData", password: str, as_json: bool) -> None:
    logins = [{"email_address": email, "role": role, "password": password} for email, role in data.logins]
    if as_json:
        counts = {"apps": data.apps, "problems": data.problems, "notices": data.notices}
        print_json({**counts, "occurrences": data.occurrences, "logins": logins})
        return
    click.echo(
        f"Created {data.apps} apps, {data.problems} problems and {data.occurrences:,} occurrences "
        f"({data.notices:,} of them stored). Sign in as any of these users with the password {password}\n"
    )
    print_table(("email address", "role"), [(login["email_address"], login["role"]) for login in logins], "")


def _progress(done: int, total: int) -> None:
    click.echo(f"\r{done * 100 // total:3d}% of {total:,} reports", nl=done == total, err=True)
