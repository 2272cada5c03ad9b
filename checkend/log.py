"""Log lines as text or JSON. They never contain keys, passwords or the content of reports."""

import json
import logging
import re
import sys
import time
from typing import Any

from flask import g, has_request_context

# The public prefix of an API key identifies it in the audit log, so it stays readable. It gives no access.
_SECRETS = re.compile(
    r"\b(?!cka_[0-9a-f]{10}(?![A-Za-z0-9_-]))(ck[ai]_)[A-Za-z0-9_-]+|([?&]key=)[^&\s\"']+|(/(?:setup|new-password|confirm-email|invitations)/)[A-Za-z0-9_.-]{20,}"
)

# Paths and names from outside may contain line breaks and terminal codes. Escaped, each message remains one line.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def redact(text: str) -> str:
    """Return ``text`` with each key and token in it shortened to its prefix, which shows what it was."""
    return _SECRETS.sub(lambda match: f"{match[1] or match[2] or match[3]}…", text)


def to_json(value: Any) -> str:
    """Return ``value`` as JSON, escaping unprintable characters, which could forge or hide part of a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


class RequestIdFilter(logging.Filter):
    """Add the id of the current request to a log record: as ``request_id`` and, for text, as ``request``."""

    def filter(self, record: logging.LogRecord) -> bool:
        request_id = g.get("request_id") if has_request_context() else None
        record.request_id, record.request = request_id, f" request_id={request_id}" if request_id else ""
        return True


class TextFormatter(logging.Formatter):
    """Formatter of lines such as ``2024-01-15T10:30:00.123Z INFO checkend.access message``."""

    converter = time.gmtime  # type: ignore[assignment]  # UTC; the stub types it as a plain function
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s%(request)s", defaults={"request": ""})

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overrides logging.Formatter
        return super().formatMessage(record).translate(_CONTROLS)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonFormatter(TextFormatter):
    """Formatter of one JSON object per line: ``time``, ``level``, ``logger``, ``message`` and, if any, ``exception``.

    The ``fields`` of a record, passed with ``extra``, are added.
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
        if request_id := getattr(record, "request_id", None):
            fields["request_id"] = request_id
        return to_json(fields)


def configure(level: str, form: str) -> None:
    """Write log lines of at least ``level`` to standard error, in the format ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(RequestIdFilter())
    logger = logging.getLogger("checkend")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    for name in ("waitress", "werkzeug"):  # werkzeug logs the query string of each request, which may contain ?key=
        server = logging.getLogger(name)
        server.handlers[:] = [handler]
        server.propagate = False
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of every request that waits for a thread
