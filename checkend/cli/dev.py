"""``checkend dev``: a local server that prints what a program reports while it is being developed."""

import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checkend.cli._support.options import PORT
from checkend.cli._support.output import command_errors
from checkend.cli._support.terminal import discard_output, output_is_closed

if TYPE_CHECKING:
    from flask import Flask

    from checkend.cli._support.supervisor import Supervisor

APP_NAME = "Development"
JOIN_SECONDS = 10.0
POLL_SECONDS = 0.2


@click.command("dev", epilog="Example: checkend dev -- python manage.py runserver")
@click.option("--port", type=PORT, default=0, show_default=True, help="Port to listen on; 0 chooses a free one.")
@click.option("--stay", is_flag=True, help="Keep the server running after COMMAND has ended, until Ctrl-C.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def dev(port: int, stay: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND next to a local server, and print each error that it reports.

    COMMAND runs with the environment variables that make an SDK report to this server, and its exit status is passed
    on. Without COMMAND, print these variables and run until Ctrl-C. The database is separate from your server's: it is
    kept in dev/ in the instance folder.
    """
    from checkend.cli._support.supervisor import Supervisor
    from checkend.client.sdk_environment import sdk_environment

    supervisor = Supervisor()
    with (
        command_errors(),
        _server(port) as (app, url),
        _keys(app) as (ingestion_key, api_key),
        _printed_reports(url, api_key),
    ):
        status = _run(command, stay, url, sdk_environment(url, ingestion_key), supervisor)
    sys.exit(status)


@contextmanager
def _server(port: int) -> Iterator[tuple["Flask", str]]:
    """Serve the database in dev/ from a thread; provide the app and the server's URL."""
    from checkend import config
    from checkend.app import create_app
    from checkend.server import waitress_server
    from checkend.server.loopback import LoopbackOnlyMiddleware
    from checkend.services import services

    folder = Path(config.instance_path()) / "dev"
    bound = waitress_server.bind("127.0.0.1", port)
    settings = {"HOST": "127.0.0.1", "PORT": bound.getsockname()[1], "URL": "", "NOTICE_DEDUP_ENABLED": False}
    app = create_app(settings, instance_path=folder)
    app.wsgi_app = LoopbackOnlyMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # as documented by Flask
    server = waitress_server.WaitressServer(app, bound)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield app, server.url
    finally:
        server.stop()
        thread.join(JOIN_SECONDS)
        services(app).close()


@contextmanager
def _keys(app: "Flask") -> Iterator[tuple[str, str]]:
    """Provide the ingestion key of the app for all reports, and an API key that exists only during the block."""
    from sqlalchemy import delete

    from checkend.db.session import db
    from checkend.db.transactions import write_transaction
    from checkend.models import ApiKey, App

    with app.app_context(), write_transaction():
        ingestion_key = (App.named(APP_NAME) or App.create(APP_NAME)).ingestion_key
        record, api_key = ApiKey.create("checkend dev", ("problems:read", "notices:read"))
        prefix = record.prefix
    try:
        yield ingestion_key, api_key
    finally:
        with app.app_context(), write_transaction():
            db.session.execute(delete(ApiKey).where(ApiKey.prefix == prefix))


def _run(command: tuple[str, ...], stay: bool, url: str, variables: dict[str, str], supervisor: "Supervisor") -> int:
    from checkend.cli._support.child import run_command

    if not command:
        click.echo(f"Listening on {url}. Set these variables where your program runs. Press Ctrl-C to stop.", err=True)
        for name, value in variables.items():
            click.echo(f"export {name}={shlex.quote(value)}")
        supervisor.wait()
        return 0
    status = run_command(command, variables, supervisor)
    if stay and not supervisor.signal:
        click.echo(
            f"The command exited with status {status}. Still listening on {url}. Press Ctrl-C to stop.", err=True
        )
        supervisor.wait()
    return status


@contextmanager
def _printed_reports(url: str, api_key: str) -> Iterator[None]:
    """Print reports from a thread during the block, and at its end those that have not been printed yet."""
    from checkend.cli._support.printer import TailPrinter
    from checkend.client import Client

    client = Client(url, api_key, retries=0)
    printer = TailPrinter(client, url, None)
    ended = threading.Event()

    def print_next() -> bool:
        try:
            return printer.print_next(0)
        except BrokenPipeError:
            if not output_is_closed():
                raise
            discard_output()  # the reader has exited, but COMMAND continues
            return True

    def print_until_ended() -> None:
        while not ended.wait(POLL_SECONDS):
            print_next()

    thread = threading.Thread(target=print_until_ended, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(JOIN_SECONDS)
        while print_next():
            pass
        client.close()
