"""``checkend tail``."""

from http.client import HTTPException

import click

from checkend.cli.options import url_option
from checkend.cli.output import Refused, refusals
from checkend.cli.send_test import own_address
from checkend.cli.terminal import output_is_closed


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
    from checkend.cli.follow import Follower
    from checkend.testing.client import ApiRefused, Client

    url = url or _own_address()
    try:
        follower = Follower(Client(url, key), url, app)
        click.echo(f"Following {app or 'all apps'} at {url}. Ctrl-C ends.", err=True)
        follower.follow()
    except ApiRefused as error:
        raise Refused(f"{url} refuses: {error.message}") from error
    except (OSError, HTTPException, ValueError) as error:
        if output_is_closed():
            raise
        raise Refused(f"{url} cannot be followed: {error}") from error
    except KeyboardInterrupt:
        return


def _own_address() -> str:
    from checkend import config

    with refusals():
        return own_address({name: value.value for name, value in config.load(config.instance_path()).items()})
