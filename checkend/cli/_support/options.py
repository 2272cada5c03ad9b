"""Types of options that several commands share: what is wrong with a value is said before anything else is done."""

from urllib.parse import urlsplit

import click

PORT = click.IntRange(0, 65535)


def server_url(text: str) -> str:
    """Return ``text``, an http or https URL whose port, if it names one, is from 1 to 65535.

    Raises `click.BadParameter` for anything that no request can be sent to.
    """
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number or too large, or an unclosed bracket
        valid = False
    if not valid:
        raise click.BadParameter(f"{text!r} is not a URL such as https://errors.example.com or http://localhost:8080.")
    return text


url_option = click.option(
    "--url",
    type=server_url,
    metavar="URL",
    help="URL of the server. [CHECKEND_URL, else CHECKEND_HOST and CHECKEND_PORT]",
)
