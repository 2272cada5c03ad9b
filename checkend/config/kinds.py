"""The kinds of settings: how the text of a value is parsed, and which values are allowed."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MIN_SECRET_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a setting: a parser that raises ValueError, and a description of the allowed values."""

    parse: Callable[[str], Any]
    allowed: str


def _bool(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise ValueError(text)


def between(low: int, high: int | None = None) -> Kind:
    """Return the kind of whole numbers from ``low`` to ``high``, or without an upper limit."""

    def parse(text: str) -> int:
        number = int(text.strip())
        if number < low or (high is not None and number > high):
            raise ValueError(text)
        return number

    return Kind(
        parse,
        f"a whole number from {low} to {high}" if high is not None else f"a whole number, {low} or more",
    )


def _size_cap(text: str) -> int:
    number = int(text.strip())
    if number != 0 and number < MIN_SIZE_CAP:
        raise ValueError(text)
    return number


def one_of(*choices: str) -> Kind:
    """Return the kind of texts that are one of ``choices``, in any case."""

    def parse(text: str) -> str:
        if text.strip().lower() not in choices:
            raise ValueError(text)
        return text.strip().lower()

    return Kind(parse, "one of " + ", ".join(choices))


def _url(text: str) -> str:
    text = text.strip().rstrip("/")
    if text and not re.fullmatch(r"https?://[^/?#\s]+(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)*", text):
        raise ValueError(text)
    return text


def _secret(text: str) -> str:
    if 0 < len(text) < MIN_SECRET_LENGTH:
        raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def _destinations(text: str) -> tuple[str, ...]:
    entries = _names(text)
    for entry in entries:
        if _HOST_NAME.fullmatch(entry):
            continue
        network = ipaddress.ip_network(entry)
        # The scope of an IPv6 zone would be ignored, and IPv4-mapped addresses are compared as IPv4.
        if isinstance(network, ipaddress.IPv6Network) and ("%" in entry or network.network_address.ipv4_mapped):
            raise ValueError(text)
    return entries


# The last label begins with a letter: "127.1" and "0x7f.1" are spellings of IPv4 addresses.
_HOST_NAME = re.compile(r"([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?")

BOOL = Kind(_bool, "true or false")
TEXT = Kind(str, "any text")
SECRET = Kind(_secret, f"at least {MIN_SECRET_LENGTH} characters, or nothing")
URL = Kind(
    _url,
    "a URL that begins with http:// or https://, followed by a host and optionally a path of letters, digits and "
    ". _ ~ -, or nothing",
)
NAMES = Kind(_names, "names separated by commas")
DESTINATIONS = Kind(
    _destinations,
    "host names (without port), IP addresses or networks such as 127.0.0.0/8, separated by commas",
)
COUNT = between(0)
MIN_SIZE_CAP = 4_194_304
SIZE_CAP = Kind(_size_cap, f"0 for no limit, or a whole number, {MIN_SIZE_CAP} or more")
POSITIVE = between(1)
