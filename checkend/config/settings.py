"""Every setting once: its name, default, how it is read, and what it does. Feeds the docs and ``checkend config``.

A setting comes from the environment (``CHECKEND_`` + its name), else from ``config.py`` in the instance folder
(the bare name), else from the default. A value that cannot be read stops the start with `SettingError`.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "CHECKEND_"
MIN_SECRET_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Kind:
    """How a setting's text is read, and in words what is allowed."""

    parse: Callable[[str], Any]
    allowed: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``secret`` ones are never shown by ``checkend config``."""

    name: str
    default: Any
    kind: Kind
    help: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return PREFIX + self.name


def _bool(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise ValueError(text)


def _between(low: int, high: int | None = None) -> Kind:
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


def _one_of(*choices: str) -> Kind:
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
    "an address that begins with http:// or https:// and goes on with a host and, if need be, a path of letters, "
    "digits and . _ ~ -, or nothing",
)
NAMES = Kind(_names, "names separated by commas")
DESTINATIONS = Kind(
    _destinations,
    "host names (without port), IP addresses or networks such as 127.0.0.0/8, separated by commas",
)
COUNT = _between(0)
MIN_SIZE_CAP = 4_194_304
SIZE_CAP = Kind(_size_cap, f"0 for no cap, or a whole number, {MIN_SIZE_CAP} or more")
POSITIVE = _between(1)
MAX_RETENTION_DAYS = 36_500
MAX_RETENTION_NOTICES = 1_000_000  # of a problem, where an app has a limit of its own

SETTINGS: tuple[Setting, ...] = (
    Setting("HOST", "127.0.0.1", TEXT, "Address that `checkend serve` listens on."),
    Setting("PORT", 8080, _between(0, 65535), "Port that `checkend serve` listens on; 0 takes a free one."),
    Setting(
        "THREADS",
        8,
        _between(1, 128),
        "Request threads of `checkend serve`; assumed for any other server than waitress, which tells its number.",
    ),
    Setting(
        "MAX_CONNECTIONS",
        1000,
        _between(16, 100_000),
        "Connections that `checkend serve` has open at once; beyond it, those that wait for their client make room.",
    ),
    Setting(
        "URL",
        "",
        URL,
        "Public address of this server, for the links it prints and sends; its path, if any, is the prefix of pages.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        0,
        _between(0, 10),
        "How many reverse proxies in front of the server may say (X-Forwarded-For, -Proto, -Host, -Prefix) who asks "
        "and where.",
    ),
    Setting("MAIL_HOST", "", TEXT, "SMTP server for mail; empty: none is sent. Mail needs CHECKEND_URL too."),
    Setting("MAIL_PORT", 587, _between(1, 65535), "Port of the SMTP server."),
    Setting("MAIL_TLS", "starttls", _one_of("starttls", "tls", "none"), "How the way to the SMTP server is encrypted."),
    Setting("MAIL_USERNAME", "", TEXT, "Name to sign in to the SMTP server with; empty: without."),
    Setting("MAIL_PASSWORD", "", TEXT, "Password to sign in to the SMTP server with.", secret=True),
    Setting("MAIL_FROM", "", TEXT, "Sender of mail; empty: checkend@ the host of CHECKEND_URL."),
    Setting(
        "OUTBOUND_PRIVATE",
        True,
        BOOL,
        "Whether notifications may be sent to private networks: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, "
        "100.64.0.0/10 and fc00::/7.",
    ),
    Setting(
        "OUTBOUND_ALLOW",
        (),
        DESTINATIONS,
        "Destinations that notifications may be sent to although they are loopback, link-local, cloud metadata, "
        "reserved or (without CHECKEND_OUTBOUND_PRIVATE) private addresses. A host name allows every address that it "
        "resolves to.",
    ),
    Setting(
        "SECRET_KEY",
        "",
        SECRET,
        "Signs sessions. Empty: made once and kept in the instance folder.",
        secret=True,
    ),
    Setting(
        "SESSION_DAYS",
        90,
        _between(1, 3650),
        "Days after which everyone has to sign in again, however active the session is.",
    ),
    Setting("LOG_LEVEL", "info", _one_of("debug", "info", "warning", "error"), "Least severity that is logged."),
    Setting("LOG_FORMAT", "text", _one_of("text", "json"), "Log lines for people (text) or for machines (json)."),
    Setting("RATE_LIMIT_ENABLED", True, BOOL, "Whether reports are limited per ingestion key."),
    Setting(
        "RATE_LIMIT_INGESTION_PER_MINUTE",
        120_000,
        POSITIVE,
        "Reports that one ingestion key may send in a minute.",
    ),
    Setting(
        "RATE_LIMIT_INGESTION_PER_HOUR",
        3_000_000,
        POSITIVE,
        "Reports that one ingestion key may send in an hour.",
    ),
    Setting(
        "RATE_LIMIT_INGESTION_BYTES_PER_MINUTE",
        536_870_912,
        POSITIVE,
        "Bytes of reports, after unpacking, that one ingestion key may send in a minute.",
    ),
    Setting(
        "RATE_LIMIT_INGESTION_CPU_SECONDS_PER_MINUTE",
        30,
        _between(1, 3600),
        "CPU seconds that processing the reports of one ingestion key may take in a minute.",
    ),
    Setting(
        "NOTICE_DEDUP_ENABLED",
        True,
        BOOL,
        "Whether a report that repeats a problem with the same backtrace is counted instead of stored.",
    ),
    Setting(
        "NOTICE_DEDUP_WINDOW_SECONDS",
        60,
        COUNT,
        "For how long after a stored notice its repeats are only counted; 0 for not at all.",
    ),
    Setting(
        "NOTICE_DEDUP_STATUS",
        "201",
        _one_of("201", "200"),
        "Answer to a counted duplicate: 201 with the id of the notice it repeats (six SDKs take anything else for a "
        "failure), or 200 without an id.",
    ),
    Setting(
        "MAX_BODY_BYTES",
        1_048_576,
        _between(1024, 104_857_600),
        "Largest request body in bytes, after unpacking.",
    ),
    Setting(
        "SCRUB_ADD", (), NAMES, "Further parts of key names whose values are stored as [FILTERED], separated by commas."
    ),
    Setting("SCRUB_REMOVE", (), NAMES, "Parts of key names that are not filtered after all, separated by commas."),
    Setting(
        "DROP_PERSONAL_DATA", False, BOOL, "Whether client addresses and all user data are dropped before storing."
    ),
    Setting("LIMIT_FRAMES", 500, _between(10, 10_000), "Frames of a backtrace that are kept, from both its ends."),
    Setting(
        "LIMIT_DEPTH", 32, _between(4, 200), "Levels of nesting that are kept in context, request, user, notifier."
    ),
    Setting("LIMIT_KEYS", 1000, _between(10, 100_000), "Keys of an object, and items of a list, that are kept."),
    Setting("LIMIT_TEXT", 65_536, _between(1000, 10_000_000), "Characters of a text that are kept."),
    Setting(
        "RETENTION_DAYS",
        90,
        _between(0, MAX_RETENTION_DAYS),
        "Days after which notices are removed; 0 keeps them for ever.",
    ),
    Setting(
        "RETENTION_NOTICES", 1000, COUNT, "How many of the newest notices of a problem are kept; 0 keeps all of them."
    ),
    Setting(
        "RETENTION_PROBLEM_DAYS",
        365,
        _between(0, 36_500),
        "Days after which a problem is removed that has no notices left, resolved ones at once; 0 keeps all for ever.",
    ),
    Setting(
        "RETENTION_MAX_SHARE",
        10,
        _between(1, 100),
        "Percent of all notices that one run removes by age at most, after a time without reports that is long enough "
        "to suspect that the clock has jumped; 100 for no limit.",
    ),
    Setting(
        "MAX_STORE_BYTES",
        0,
        SIZE_CAP,
        "Largest size of the SQLite file in bytes; from nine tenths of it on, the app that uses most loses its oldest "
        "notices.",
    ),
    Setting(
        "MAX_APP_BYTES",
        5_000_000_000,
        SIZE_CAP,
        "About how many bytes one app may use of the store; from nine tenths of it on its oldest notices are removed.",
    ),
    Setting(
        "MAX_APP_PROBLEMS",
        25_000,
        COUNT,
        "Problems that one app may have; reports that would open another are collected in one problem. 0: no limit.",
    ),
    Setting(
        "METRICS_TOKEN",
        "",
        TEXT,
        "With it, as a bearer token, /metrics answers everyone; without, only this machine.",
        secret=True,
    ),
    Setting(
        "INGEST_QUEUE_SIZE",
        1000,
        POSITIVE,
        "Reports that may wait for the writer before new ones are refused with 503.",
    ),
    Setting(
        "INGEST_TIMEOUT_SECONDS",
        10,
        _between(1, 300),
        "Seconds from its arrival that a report may wait to be stored before it is rejected with 503.",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
