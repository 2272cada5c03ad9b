"""``checkend dev``: a server beside the developer."""

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
    from checkend.client.client import Client

APP = "Development"
STOP_SECONDS = 10.0
POLL_SECONDS = 0.2


@click.command("dev", epilog="Example: checkend dev -- python manage.py runserver")
@click.option("--port", type=PORT, default=0, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--stay", is_flag=True, help="Serve on when COMMAND has ended, until Ctrl-C.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def dev(port: int, stay: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND with a server of its own, and print each problem that it reports.

    The variables are set that make an SDK report here. The store is kept, in dev/ in the instance folder, apart from
    your server's. Exits as COMMAND does; without one, serves until Ctrl-C and says which variables to set.
    """
    from checkend.cli._support.supervisor import Supervisor

    leaving = Supervisor()
    with command_errors(), _server(port) as (app, url):
        ingestion_key, api_key = _keys(app)
        try:
            status = _run_beside(command, stay, url, ingestion_key, api_key, leaving)
        finally:
            _forget(app, api_key)
    sys.exit(status)


@contextmanager
def _server(port: int) -> Iterator[tuple["Flask", str]]:
    """A server over the store in dev/, and its address."""
    from checkend import config
    from checkend.app import create_app
    from checkend.server import waitress_server
    from checkend.server.loopback import LoopbackOnlyMiddleware
    from checkend.services import services

    folder = Path(config.instance_path()) / "dev"
    bound = waitress_server.bind("127.0.0.1", port)
    settings = {"HOST": "127.0.0.1", "PORT": bound.getsockname()[1], "URL": "", "NOTICE_DEDUP_ENABLED": False}
    app = create_app(settings, instance_path=folder)
    app.wsgi_app = LoopbackOnlyMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # how Flask documents it
    server = waitress_server.WaitressServer(app, bound)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield app, server.url
    finally:
        server.stop()
        thread.join(STOP_SECONDS)
        services(app).close()


def _keys(app: "Flask") -> tuple[str, str]:
    """The ingestion key of the app that everything is reported to, and an API key to follow it with."""
    from sqlalchemy import select

    from checkend.db.session import db
    from checkend.db.transactions import begin_writing
    from checkend.models import ApiKey, App

    with app.app_context():
        begin_writing()
        found = db.session.scalar(select(App).where(App.name == APP).limit(1)) or App.create(APP)
        _, api_key = ApiKey.create("checkend dev", ("problems:read", "notices:read"))
        db.session.commit()
        return found.ingestion_key, api_key


def _forget(app: "Flask", api_key: str) -> None:
    from sqlalchemy import delete

    from checkend.db.session import db
    from checkend.db.transactions import begin_writing
    from checkend.models import ApiKey
    from checkend.models.api_key import PREFIX_LENGTH

    with app.app_context():
        begin_writing()
        db.session.execute(delete(ApiKey).where(ApiKey.prefix == api_key[:PREFIX_LENGTH]))
        db.session.commit()


def _run_beside(
    command: tuple[str, ...], stay: bool, url: str, ingestion_key: str, api_key: str, leaving: "Supervisor"
) -> int:
    from checkend.cli.fixture import run_command
    from checkend.client.client import Client
    from checkend.client.sdk_environment import sdk_environment

    variables = sdk_environment(url, ingestion_key)
    client = Client(url, api_key)
    with _printing(client, url):
        if not command:
            click.echo(f"Listening on {url}. Set these where your program runs; Ctrl-C ends.", err=True)
            for name, value in variables.items():
                click.echo(f"export {name}={shlex.quote(value)}")
            leaving.wait()
            return 0
        status = run_command(command, variables, leaving)
        if stay and not leaving.signal:
            click.echo(f"The command ended with status {status}. {url} serves on; Ctrl-C ends.", err=True)
            leaving.wait()
        return status


@contextmanager
def _printing(client: "Client", url: str) -> Iterator[None]:
    """Meanwhile, print what comes in; at the end also what came in last."""
    from checkend.cli._support.printer import TailPrinter

    follower = TailPrinter(client, url, None)
    ended = threading.Event()

    def print_next() -> bool:
        try:
            return follower.print_next(0)
        except BrokenPipeError:
            if not output_is_closed():
                raise
            discard_output()  # its reader has left, and COMMAND runs on
            return True

    def follow() -> None:
        while not ended.wait(POLL_SECONDS):
            print_next()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(STOP_SECONDS)
        while print_next():
            pass
        client.close()
