"""Ingestion as one object an app: from an ingestion key and a payload to a stored report."""

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, current_app

from checkend import clock
from checkend.extensions import StoreConnection, connect
from checkend.ingest.backtraces import parse
from checkend.ingest.facets import facets_of
from checkend.ingest.grouping import group
from checkend.ingest.limits import RateLimiter
from checkend.ingest.payload import Report, to_report
from checkend.ingest.scrubbing import Policy, scrub, scrub_backtrace, scrub_text
from checkend.ingest.store import Prepared, ReportStore, Stored
from checkend.ingest.writer import Writer


@dataclass(frozen=True, slots=True)
class Sender:
    """The app that an ingestion key belongs to, as far as ingestion needs it."""

    app_id: int
    environment: str | None
    disabled_rules: frozenset[str]


class Ingestion:
    """Takes reports in for the store at ``path``. Safe for any number of threads."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self._path = path
        self._local = threading.local()
        self.policy = policy_of(config)
        self.limiter = (
            RateLimiter(config["RATE_LIMIT_INGESTION_PER_MINUTE"], config["RATE_LIMIT_INGESTION_PER_HOUR"])
            if config["RATE_LIMIT_ENABLED"]
            else None
        )
        window = config["NOTICE_DEDUP_WINDOW_SECONDS"] if config["NOTICE_DEDUP_ENABLED"] else 0
        self.writer = Writer(
            ReportStore(path, window),
            queue_size=config["INGEST_QUEUE_SIZE"],
            timeout=config["INGEST_TIMEOUT_SECONDS"],
        )

    def sender(self, ingestion_key: str) -> Sender | None:
        """Whose key it is; None when it is nobody's. Looked up each time: a changed key counts at once."""
        row = (
            self._reader()
            .execute("SELECT id, environment, grouping_off FROM apps WHERE ingestion_key = ?", (ingestion_key,))
            .fetchone()
        )
        return None if row is None else Sender(row[0], row[1], frozenset(row[2].split()))

    def accept(self, sender: Sender, value: Any) -> Stored:
        """Store the report in ``value``, a JSON value in any SDK's form; on the disk when this returns.

        Raises `payload.Unreadable`, `payload.Invalid`, `writer.Unavailable`, `writer.Unstorable`.
        """
        received_at = clock.now()
        return self.writer.submit(self.prepare(sender, to_report(value, received_at), clock.to_micros(received_at)))

    def prepare(self, sender: Sender, report: Report, received_at: int) -> Prepared:
        """All that needs no store: scrubbed, grouped, packed."""
        policy = self.policy
        backtrace = scrub_backtrace(report.backtrace, policy)
        details = scrub(report.details, policy)
        message = scrub_text(report.error_message, policy)
        grouping = group(
            report.error_class,
            message,
            parse(backtrace),
            notifier=details["notifier"],
            fingerprint=report.fingerprint,
            disabled=sender.disabled_rules,
        )
        return Prepared(
            app_id=sender.app_id,
            fingerprint=grouping.fingerprint,
            grouping_version=grouping.version,
            grouping_reason=grouping.reason,
            location=grouping.location,
            error_class=scrub_text(report.error_class, policy),
            error_message=message,
            details=details,
            backtrace=backtrace,
            digest=digest_of(backtrace),
            tags=report.tags,
            facets=facets_of(details, sender.environment),
            occurred_at=clock.to_micros(report.occurred_at),
            received_at=received_at,
        )

    def close(self) -> None:
        """Write what is on its way, and stop."""
        self.writer.close()

    def _reader(self) -> StoreConnection:
        connection: StoreConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path)
        return connection


def policy_of(config: dict[str, Any]) -> Policy:
    """The privacy and size rules that the settings ask for."""
    return Policy(
        add=frozenset(config["SCRUB_ADD"]),
        remove=frozenset(config["SCRUB_REMOVE"]),
        drop_personal=config["DROP_PERSONAL_DATA"],
        depth=config["LIMIT_DEPTH"],
        keys=config["LIMIT_KEYS"],
        text=config["LIMIT_TEXT"],
        frames=config["LIMIT_FRAMES"],
    )


def digest_of(backtrace: list[Any]) -> bytes | None:
    """Under what a backtrace is stored: 16 bytes that depend on all of its content; None for an empty one."""
    if not backtrace:
        return None
    text = json.dumps(backtrace, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def ingestion(app: Flask | None = None) -> Ingestion:
    """The `Ingestion` of ``app``, or of the current one."""
    found: Ingestion = (app or current_app).extensions["checkend_ingestion"]
    return found
