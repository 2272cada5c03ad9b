"""``checkend tail``: reports of a running server, printed as they arrive."""

from http.client import HTTPException

import click

from checkend.cli._support.options import configured_url, url_option
from checkend.cli._support.output import CommandError, command_errors
from checkend.cli._support.terminal import output_is_closed


@click.command(
    "tail", epilog="Example: CHECKEND_MANAGEMENT_KEY=cka_… checkend tail shop --url https://errors.example.com"
)
@click.argument("app", required=False)
@url_option
@click.option(
    "--key", envvar="CHECKEND_MANAGEMENT_KEY", help="API key for the Management API. [CHECKEND_MANAGEMENT_KEY]"
)
def tail(app: str | None, url: str | None, key: str | None) -> None:
    """Print the reports of APP (its slug or id), or of all apps, as a running server receives them.

    Requires an API key with problems:read and, for stack traces, notices:read. Duplicates, which the server only
    counts, are not printed. Press Ctrl-C to stop.
    """
    if not key:
        raise click.UsageError(
            "An API key is required: use --key or CHECKEND_MANAGEMENT_KEY. Create one with "
            "`checkend api-key create tail --permission problems:read --permission notices:read`."
        )
    from checkend import config
    from checkend.cli._support.printer import TailPrinter
    from checkend.client import ApiError, Client

    if url is None:
        with command_errors():
            settings = config.load(config.instance_path())
        url = configured_url({name: value.value for name, value in settings.items()})
    try:
        printer = TailPrinter(Client(url, key, retries=0), url, app)
        click.echo(f"Following {app or 'all apps'} at {url}. Press Ctrl-C to stop.", err=True)
        printer.follow()
    except ApiError as error:
        raise CommandError(f"{url} rejected the request: {error.message}") from error
    except (OSError, HTTPException, ValueError) as error:
        if output_is_closed():
            raise
        raise CommandError(f"Cannot follow {url}: {error}") from error
    except KeyboardInterrupt:
        return
