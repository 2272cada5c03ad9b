"""``checkend tail``."""

from http.client import HTTPException

import click

from checkend.cli._support.options import url_option
from checkend.cli._support.output import CommandError, command_errors
from checkend.cli._support.terminal import output_is_closed
from checkend.cli.send_test import configured_url


@click.command(
    "tail", epilog="Example: CHECKEND_MANAGEMENT_KEY=cka_… checkend tail shop --url https://errors.example.com"
)
@click.argument("app", required=False)
@url_option
@click.option("--key", envvar="CHECKEND_MANAGEMENT_KEY", help="An API key. [CHECKEND_MANAGEMENT_KEY]")
def tail(app: str | None, url: str | None, key: str | None) -> None:
    """Print reports as they come in at a running server: of APP (its slug or id), or of all apps.

    It needs a key with problems:read, and for traces notices:read. Repeats that the server only counts are not
    shown. Ends with Ctrl-C.
    """
    if not key:
        raise click.UsageError(
            "An API key is needed: --key or CHECKEND_MANAGEMENT_KEY. Make one with "
            "`checkend api-key create tail --permission problems:read --permission notices:read`."
        )
    from checkend.cli._support.printer import TailPrinter
    from checkend.client.client import ApiError, Client

    url = url or _configured_url()
    try:
        follower = TailPrinter(Client(url, key), url, app)
        click.echo(f"Following {app or 'all apps'} at {url}. Ctrl-C ends.", err=True)
        follower.follow()
    except ApiError as error:
        raise CommandError(f"{url} refuses: {error.message}") from error
    except (OSError, HTTPException, ValueError) as error:
        if output_is_closed():
            raise
        raise CommandError(f"{url} cannot be followed: {error}") from error
    except KeyboardInterrupt:
        return


def _configured_url() -> str:
    from checkend import config

    with command_errors():
        return configured_url({name: value.value for name, value in config.load(config.instance_path()).items()})
