"""All settings, each defined once: name, default, parser and description. Also the source of the docs.

A setting comes from the environment (``CHECKEND_`` and its name), else from ``config.py`` in the instance folder (its
name), else it has its default. An invalid value prevents the start with a `SettingError`.
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
    """The type of a setting: a parser that raises ValueError, and a description of the allowed values."""

    parse: Callable[[str], Any]
    allowed: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting. The value of a ``secret`` one is never displayed."""

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
    "a URL that begins with http:// or https://, followed by a host and optionally a path of letters, digits and "
    ". _ ~ -, or nothing",
)
NAMES = Kind(_names, "names separated by commas")
DESTINATIONS = Kind(
    _destinations,
    "host names (without port), IP addresses or networks such as 127.0.0.0/8, separated by commas",
)
COUNT = _between(0)
MIN_SIZE_CAP = 4_194_304
SIZE_CAP = Kind(_size_cap, f"0 for no limit, or a whole number, {MIN_SIZE_CAP} or more")
POSITIVE = _between(1)
MAX_RETENTION_DAYS = 36_500
MAX_RETENTION_NOTICES = 1_000_000  # per problem, in the settings of an app

SETTINGS: tuple[Setting, ...] = (
    Setting("HOST", "127.0.0.1", TEXT, "Host name or IP address that `checkend serve` listens on."),
    Setting("PORT", 8080, _between(0, 65535), "Port that `checkend serve` listens on; 0 picks a free one."),
    Setting(
        "THREADS",
        8,
        _between(1, 128),
        "Request threads of `checkend serve`. Also assumed for WSGI servers other than waitress.",
    ),
    Setting(
        "MAX_CONNECTIONS",
        1000,
        _between(16, 100_000),
        "Maximum number of open connections of `checkend serve`. Beyond it, idle and slow connections are closed.",
    ),
    Setting(
        "URL",
        "",
        URL,
        "Public URL of this server, used in links that it prints and sends. Its path is the prefix of all URLs.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        0,
        _between(0, 10),
        "Number of reverse proxies in front of the server whose headers X-Forwarded-For, -Proto, -Host and -Prefix are "
        "trusted.",
    ),
    Setting(
        "MAIL_HOST",
        "",
        TEXT,
        "SMTP server for mail. If empty, the one that a site admin enters in the dashboard. Mail needs CHECKEND_URL.",
    ),
    Setting("MAIL_PORT", 587, _between(1, 65535), "Port of the SMTP server."),
    Setting(
        "MAIL_TLS", "starttls", _one_of("starttls", "tls", "none"), "Encryption of the connection to the SMTP server."
    ),
    Setting("MAIL_USERNAME", "", TEXT, "User name for the SMTP server. If empty, Checkend does not log in."),
    Setting("MAIL_PASSWORD", "", TEXT, "Password for the SMTP server.", secret=True),
    Setting("MAIL_FROM", "", TEXT, "Sender address of mail. If empty, checkend@ followed by the host of CHECKEND_URL."),
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
        "Key that signs sessions. If empty, it is generated once and stored in the instance folder.",
        secret=True,
    ),
    Setting(
        "SESSION_DAYS",
        90,
        _between(1, 3650),
        "Days after which users have to sign in again, even if the session is active.",
    ),
    Setting(
        "LOG_LEVEL",
        "info",
        _one_of("debug", "info", "warning", "error"),
        "Minimum severity of the messages that are logged.",
    ),
    Setting("LOG_FORMAT", "text", _one_of("text", "json"), "Format of log lines."),
    Setting("RATE_LIMIT_ENABLED", True, BOOL, "Whether the rate limits per ingestion key apply."),
    Setting(
        "RATE_LIMIT_INGESTION_PER_MINUTE",
        120_000,
        POSITIVE,
        "Reports per minute and ingestion key.",
    ),
    Setting(
        "RATE_LIMIT_INGESTION_PER_HOUR",
        3_000_000,
        POSITIVE,
        "Reports per hour and ingestion key.",
    ),
    Setting(
        "RATE_LIMIT_INGESTION_BYTES_PER_MINUTE",
        536_870_912,
        POSITIVE,
        "Bytes of reports, uncompressed, per minute and ingestion key.",
    ),
    Setting(
        "RATE_LIMIT_INGESTION_CPU_SECONDS_PER_MINUTE",
        30,
        _between(1, 3600),
        "CPU seconds spent on reports per minute and ingestion key.",
    ),
    Setting(
        "NOTICE_DEDUP_ENABLED",
        True,
        BOOL,
        "Whether duplicates (the same problem with the same backtrace) are counted instead of stored.",
    ),
    Setting(
        "NOTICE_DEDUP_WINDOW_SECONDS",
        60,
        COUNT,
        "Seconds after a stored notice in which duplicates are only counted; 0 to store all of them.",
    ),
    Setting(
        "NOTICE_DEDUP_STATUS",
        "201",
        _one_of("201", "200"),
        "Status of the response to a counted duplicate: 201 with the id of the stored notice (six SDKs treat anything "
        "else as a failure), or 200 without an id.",
    ),
    Setting(
        "MAX_BODY_BYTES",
        1_048_576,
        _between(1024, 104_857_600),
        "Maximum size of a request body in bytes, uncompressed.",
    ),
    Setting(
        "SCRUB_ADD",
        (),
        NAMES,
        "Additional parts of key names whose values are stored as [FILTERED], separated by commas.",
    ),
    Setting(
        "SCRUB_REMOVE",
        (),
        NAMES,
        "Parts of key names that are filtered by default but should not be, separated by commas.",
    ),
    Setting(
        "DROP_PERSONAL_DATA",
        False,
        BOOL,
        "Whether client IPs and all user data are removed from reports before they are stored.",
    ),
    Setting(
        "LIMIT_FRAMES",
        500,
        _between(10, 10_000),
        "Maximum number of frames of a backtrace that are stored, from both ends.",
    ),
    Setting(
        "LIMIT_DEPTH",
        32,
        _between(4, 200),
        "Maximum nesting depth that is stored in context, request, user and notifier.",
    ),
    Setting(
        "LIMIT_KEYS",
        1000,
        _between(10, 100_000),
        "Maximum number of keys of an object, and of items of a list, that are stored.",
    ),
    Setting(
        "LIMIT_TEXT", 65_536, _between(1000, 10_000_000), "Maximum number of characters of a string that are stored."
    ),
    Setting(
        "RETENTION_DAYS",
        90,
        _between(0, MAX_RETENTION_DAYS),
        "Days after which notices are removed; 0 for never.",
    ),
    Setting("RETENTION_NOTICES", 1000, COUNT, "Number of newest notices that are kept per problem; 0 for all."),
    Setting(
        "RETENTION_PROBLEM_DAYS",
        365,
        _between(0, 36_500),
        "Days after which problems without notices are removed, resolved ones immediately; 0 for never.",
    ),
    Setting(
        "RETENTION_MAX_SHARE",
        10,
        _between(1, 100),
        "Maximum percentage of all notices that one run removes by age after a period without reports that is long "
        "enough to suspect that the clock has jumped; 100 for no limit.",
    ),
    Setting(
        "MAX_STORE_BYTES",
        0,
        SIZE_CAP,
        "Maximum size of the SQLite file in bytes; 0 for no limit. From 90 percent on, the oldest notices of the app "
        "that uses the most are removed.",
    ),
    Setting(
        "MAX_APP_BYTES",
        5_000_000_000,
        SIZE_CAP,
        "Approximate maximum of bytes per app; 0 for no limit. From 90 percent on, its oldest notices are removed.",
    ),
    Setting(
        "MAX_APP_PROBLEMS",
        25_000,
        COUNT,
        "Maximum number of problems per app; 0 for no limit. Reports of further problems are collected in one problem.",
    ),
    Setting(
        "METRICS_TOKEN",
        "",
        TEXT,
        "Bearer token for /metrics. Without it, only clients on this machine can read /metrics.",
        secret=True,
    ),
    Setting(
        "INGEST_QUEUE_SIZE",
        1000,
        POSITIVE,
        "Reports that may wait for the writer. Further ones are rejected with 503.",
    ),
    Setting(
        "INGEST_TIMEOUT_SECONDS",
        10,
        _between(1, 300),
        "Seconds that a report may wait to be stored, from its arrival on. After that it is rejected with 503.",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
