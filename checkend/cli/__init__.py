"""The ``checkend`` command. Only click is imported here; what a command needs, it imports when it runs."""

import click

from checkend._version import __version__
from checkend.cli import (
    api_key,
    app,
    channel,
    config,
    db,
    demo,
    dev,
    fixture,
    prune,
    secrets,
    send_test,
    serve,
    status,
    tail,
    user,
)
from checkend.cli._support.errors import CommandGroup
from checkend.server import sdk_conflict

sdk_conflict.check()  # before click reads the command line: --version must fail too

EPILOG = (
    "Exit status: 0 done; 1 refused or failed, with the reason on standard error; 2 the command line is wrong; "
    "3 there is no such record. Every command has --help with an example."
)


@click.group(
    cls=CommandGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="checkend")
def main() -> None:
    """Checkend, a self-hosted error monitor.

    Everything lies in one folder: instance/ beside wsgi.py in a checkout, else your platform's data folder, else the
    one that CHECKEND_INSTANCE_PATH names. All commands also work while a server runs on it.
    """


for command in (
    serve.serve,
    user.group,
    app.group,
    channel.group,
    api_key.group,
    secrets.group,
    db.group,
    prune.prune,
    status.status,
    config.config,
    demo.demo,
    send_test.send_test,
    dev.dev,
    tail.tail,
    fixture.fixture,
):
    main.add_command(command)
