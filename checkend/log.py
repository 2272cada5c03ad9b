"""Log lines, for people or for machines. Never keys, passwords or what reports contain."""

import json
import logging
import re
import sys
import time
from typing import Any

# The public prefix of an API key names it in the audit log; by itself it opens nothing.
_SECRETS = re.compile(
    r"\b(?!cka_[0-9a-f]{10}(?![A-Za-z0-9_-]))(ck[ai]_)[A-Za-z0-9_-]+|([?&]key=)[^&\s\"']+|(/(?:setup|new-password|confirm-email|invitations)/)[A-Za-z0-9_.-]{20,}"
)

# Paths and names from outside may hold line breaks and terminal codes: a line of the log stays one line.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def redact(text: str) -> str:
    """``text`` with the keys and tokens in it cut to their kind."""
    return _SECRETS.sub(lambda match: f"{match[1] or match[2] or match[3]}…", text)


def to_json(value: Any) -> str:
    """Return ``value`` as JSON, escaping characters that do not print: they could forge or hide part of a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


class TextFormatter(logging.Formatter):
    """``2024-01-15T10:30:00.123Z INFO checkend.access message``"""

    converter = time.gmtime  # type: ignore[assignment]  # UTC; the stub types it as a plain function
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).translate(_CONTROLS)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonFormatter(TextFormatter):
    """One JSON object a line: ``time level logger message``, ``exception`` where there is one.

    A record's ``fields``, given with ``extra``, are added to it.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            fields["exception"] = redact(self.formatException(record.exc_info))
        for name, value in getattr(record, "fields", {}).items():
            fields[name] = redact(value) if isinstance(value, str) else value
        return to_json(fields)


def configure(level: str, form: str) -> None:
    """Send log lines of at least ``level`` to standard error, as ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logger = logging.getLogger("checkend")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    for name in ("waitress", "werkzeug"):  # werkzeug's own line a request has the query string, with ?key=
        server = logging.getLogger(name)
        server.handlers[:] = [handler]
        server.propagate = False
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a warning for every request that waits for a thread
