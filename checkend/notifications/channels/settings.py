"""Checks of a channel's settings. Each returns sentences that name the setting and state how to fix it."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from checkend.notifications.channels.base import ChannelConfigError

URL_LIMIT = 2_000


def check(*problems: Iterable[str]) -> None:
    """Raise `ChannelConfigError` if any of the checks returned a sentence."""
    messages = [message for found in problems for message in found]
    if messages:
        raise ChannelConfigError(*messages)


def unknown(
    config: dict[str, Any], secrets: dict[str, Any], config_names: tuple[str, ...], secret_names: tuple[str, ...]
) -> list[str]:
    """Check that there are no settings other than the named ones."""
    names = [name for name in config if name not in config_names]
    names += [name for name in secrets if name not in secret_names]
    allowed = ", ".join(f"'{name}'" for name in config_names + secret_names)
    return [f"Unknown setting '{name}'. The settings are: {allowed}." for name in names]


def url(values: dict[str, Any], name: str, schemes: tuple[str, ...] = ("https",), limit: int = URL_LIMIT) -> list[str]:
    """Check that a setting is a URL with one of the schemes, of at most ``limit`` characters."""
    value, start = values.get(name), " or ".join(f"{scheme}://" for scheme in schemes)
    if value is None or value == "":
        return [f"'{name}' is missing. Enter a URL that starts with {start}."]
    if not isinstance(value, str) or not re.fullmatch("[!-~]+", value):
        return [f"'{name}' must be a URL without spaces or non-ASCII characters (percent-encode them)."]
    if len(value) > limit:
        return [f"'{name}' must have at most {limit:,} characters."]
    try:
        parts = urlsplit(value)
        usable = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:  # a port that is not a number, or half an IPv6 address
        usable = False
    if not usable:
        return [f"'{name}' must be a valid URL that starts with {start}."]
    if parts.username is not None or parts.password is not None:
        return [f"'{name}' must not contain a user name or password. Remove the part before the '@'."]
    return []


def text(
    values: dict[str, Any], name: str, pattern: re.Pattern[str], expected: str, *, required: bool = True
) -> list[str]:
    """Check that a setting is text that ``pattern`` matches in full; ``expected`` describes it, with an example."""
    value = values.get(name)
    if value is None or value == "":
        return [f"'{name}' is missing. Enter {expected}."] if required else []
    if isinstance(value, bool) or not isinstance(value, str | int) or not pattern.fullmatch(str(value)):
        return [f"'{name}' must be {expected}."]
    return []
