"""All settings, each defined once: name, default, parser and description. Also the source of the docs.

A setting comes from the environment (``CHECKEND_`` and its name), else from ``config.py`` in the instance folder (its
name), else it has its default. An invalid value prevents the start with a `SettingError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkend.config.kinds import (
    BOOL,
    COUNT,
    DESTINATIONS,
    NAMES,
    POSITIVE,
    SECRET,
    SIZE_CAP,
    TEXT,
    URL,
    Kind,
    between,
    one_of,
)

PREFIX = "CHECKEND_"
MAX_RETENTION_DAYS = 36_500
MAX_RETENTION_NOTICES = 1_000_000  # per problem, in the settings of an app


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


SETTINGS: tuple[Setting, ...] = (
    Setting("HOST", "127.0.0.1", TEXT, "Host name or IP address that `checkend serve` listens on."),
    Setting("PORT", 8080, between(0, 65535), "Port that `checkend serve` listens on; 0 picks a free one."),
    Setting(
        "THREADS",
        8,
        between(1, 128),
        "Request threads of `checkend serve`. Also assumed for WSGI servers other than waitress.",
    ),
    Setting(
        "MAX_CONNECTIONS",
        1000,
        between(16, 100_000),
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
        between(0, 10),
        "Number of reverse proxies in front of the server whose headers X-Forwarded-For, -Proto, -Host and -Prefix are "
        "trusted.",
    ),
    Setting(
        "MAIL_HOST",
        "",
        TEXT,
        "SMTP server for mail. If empty, the one that a site admin enters in the dashboard. Mail needs CHECKEND_URL.",
    ),
    Setting("MAIL_PORT", 587, between(1, 65535), "Port of the SMTP server."),
    Setting(
        "MAIL_TLS", "starttls", one_of("starttls", "tls", "none"), "Encryption of the connection to the SMTP server."
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
        between(1, 3650),
        "Days after which users have to sign in again, even if the session is active.",
    ),
    Setting(
        "LOG_LEVEL",
        "info",
        one_of("debug", "info", "warning", "error"),
        "Minimum severity of the messages that are logged.",
    ),
    Setting("LOG_FORMAT", "text", one_of("text", "json"), "Format of log lines."),
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
        between(1, 3600),
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
        one_of("201", "200"),
        "Status of the response to a counted duplicate: 201 with the id of the stored notice (six SDKs treat anything "
        "else as a failure), or 200 without an id.",
    ),
    Setting(
        "MAX_BODY_BYTES",
        1_048_576,
        between(1024, 104_857_600),
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
        between(10, 10_000),
        "Maximum number of frames of a backtrace that are stored, from both ends.",
    ),
    Setting(
        "LIMIT_DEPTH",
        32,
        between(4, 200),
        "Maximum nesting depth that is stored in context, request, user and notifier.",
    ),
    Setting(
        "LIMIT_KEYS",
        1000,
        between(10, 100_000),
        "Maximum number of keys of an object, and of items of a list, that are stored.",
    ),
    Setting(
        "LIMIT_TEXT", 65_536, between(1000, 10_000_000), "Maximum number of characters of a string that are stored."
    ),
    Setting(
        "RETENTION_DAYS",
        90,
        between(0, MAX_RETENTION_DAYS),
        "Days after which notices are removed; 0 for never.",
    ),
    Setting("RETENTION_NOTICES", 1000, COUNT, "Number of newest notices that are kept per problem; 0 for all."),
    Setting(
        "RETENTION_PROBLEM_DAYS",
        365,
        between(0, 36_500),
        "Days after which problems without notices are removed, resolved ones immediately; 0 for never.",
    ),
    Setting(
        "AUDIT_LOG_DAYS",
        365,
        between(0, MAX_RETENTION_DAYS),
        "Days after which entries of the audit log are removed; 0 for never.",
    ),
    Setting(
        "RETENTION_MAX_SHARE",
        10,
        between(1, 100),
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
        between(1, 300),
        "Seconds that a report may wait to be stored, from its arrival on. After that it is rejected with 503.",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
