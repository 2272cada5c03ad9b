"""Options shared by several commands; invalid values are rejected before anything else happens."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import click

PORT = click.IntRange(0, 65535)
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta | None:
    """Return the duration that ``12h``, ``90d`` or ``4w`` stands for; None for another text."""
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip())
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


def server_url(text: str) -> str:
    """Return ``text`` if it is an http or https URL whose port, if it contains one, is from 1 to 65535.

    Raises `click.BadParameter`.
    """
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is not a number or too large, or a bracket is not closed
        is_valid = False
    if not is_valid:
        raise click.BadParameter(f"{text!r} is not a URL such as https://errors.example.com or http://localhost:8080.")
    return text


url_option = click.option(
    "--url",
    type=server_url,
    metavar="URL",
    help="URL of the server. [CHECKEND_URL, else CHECKEND_HOST and CHECKEND_PORT]",
)


def configured_url(settings: Mapping[str, Any]) -> str:
    """Return the URL of this machine's server according to its settings."""
    from checkend.config.urls import local_url

    return str(settings["URL"]) or local_url(settings["HOST"], settings["PORT"])
