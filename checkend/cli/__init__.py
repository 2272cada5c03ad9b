"""The ``checkend`` command. Only click is imported here; a command imports what it needs when it runs."""

import click

from checkend._version import __version__
from checkend.cli import (
    api_key,
    app,
    audit_log,
    channel,
    config,
    db,
    demo,
    dev,
    doctor,
    fixture,
    openapi,
    problem,
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

sdk_conflict.check()  # before click parses the command line, so that even --version fails

EPILOG = (
    "Exit status: 0 on success; 1 if the command is rejected or fails, with the reason on standard error; 2 if the "
    "command line is invalid; 3 if a record does not exist. The --help of every command contains an example."
)


@click.group(
    cls=CommandGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="checkend")
def main() -> None:
    """Checkend, a self-hosted error monitor.

    All data is in one folder: the one in CHECKEND_INSTANCE_PATH, otherwise instance/ next to wsgi.py in a checkout or a
    folder among your platform's application data. Most commands can be used while a server is running on this folder.
    """


for command in (
    serve.serve,
    user.group,
    app.group,
    channel.group,
    problem.group,
    api_key.group,
    audit_log.audit_log,
    secrets.group,
    db.group,
    prune.prune,
    status.status,
    doctor.doctor,
    config.config,
    demo.demo,
    send_test.send_test,
    dev.dev,
    tail.tail,
    fixture.fixture,
    openapi.openapi,
):
    main.add_command(command)
