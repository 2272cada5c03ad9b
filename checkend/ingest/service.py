"""Ingestion as one object an app: from an ingestion key and a payload to a stored report."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, current_app

from checkend import clock
from checkend.extensions import StoreConnection, connect
from checkend.ingest.backtraces import parse
from checkend.ingest.facets import facets_of
from checkend.ingest.grouping import Grouping, group
from checkend.ingest.limits import RateLimiter
from checkend.ingest.payload import Invalid, Report, Unreadable, to_report
from checkend.ingest.scrubbing import Policy, Scrubber
from checkend.ingest.store import Prepared, ReportStore, Sender, Stored, find_sender
from checkend.ingest.writer import SenderChanged, Writer

_REMEMBERED_SENDERS = 1000
_REMEMBERED_GROUPINGS = 2000
_REMEMBERED_MESSAGE = 2000


class UnknownKey(Exception):
    """The ingestion key is no app's."""


class Ingestion:
    """Takes reports in for the store at ``path``. Safe for any number of threads."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self._path = path
        self._local = threading.local()
        self.scrubber = Scrubber(policy_of(config))
        self._groupings: dict[tuple[object, ...], Grouping] = {}
        self._senders: dict[str, Sender] = {}
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

    def sender(self, ingestion_key: str) -> Sender:
        """Whose key it is. May come from memory: the writer checks it once more before it stores anything.

        Raises `UnknownKey`.
        """
        return self._senders.get(ingestion_key) or self._look_up(ingestion_key)

    def _look_up(self, ingestion_key: str) -> Sender:
        self._senders.pop(ingestion_key, None)
        found = find_sender(self._reader(), ingestion_key)
        if found is None:
            raise UnknownKey
        if len(self._senders) >= _REMEMBERED_SENDERS:
            self._senders.clear()
        self._senders[ingestion_key] = found
        return found

    def accept(self, sender: Sender, value: Any) -> Stored:
        """Store the report in ``value``, a JSON value in any SDK's form; on the disk when this returns.

        Raises `payload.Unreadable`, `payload.Invalid`, `UnknownKey`, `writer.Unavailable`, `writer.Unstorable`.
        """
        try:
            return self._accept(sender, value)
        except SenderChanged:
            return self._accept(self._look_up(sender.ingestion_key), value)
        except (Unreadable, Invalid):
            self._look_up(sender.ingestion_key)  # whoever has no valid key learns nothing else
            raise

    def _accept(self, sender: Sender, value: Any) -> Stored:
        received_at = clock.now()
        try:
            prepared = self.prepare(sender, to_report(value, received_at), clock.to_micros(received_at))
        except RecursionError:
            raise Unreadable("Request body is nested too deeply") from None
        return self.writer.submit(prepared)

    def prepare(self, sender: Sender, report: Report, received_at: int) -> Prepared:
        """All that needs no store: scrubbed, grouped, packed."""
        scrubber = self.scrubber
        backtrace = scrubber.backtrace(report.backtrace)
        details = scrubber.details(report.details)
        message = scrubber.text(report.error_message)
        digest = digest_of(backtrace)
        grouping = self._group(sender, report, message, backtrace, digest, details["notifier"])
        return Prepared(
            sender=sender,
            fingerprint=grouping.fingerprint,
            grouping_version=grouping.version,
            grouping_reason=grouping.reason,
            location=grouping.location,
            error_class=scrubber.text(report.error_class),
            error_message=message,
            details=details,
            backtrace=backtrace,
            digest=digest,
            tags=report.tags,
            facets=facets_of(details, sender.environment),
            occurred_at=clock.to_micros(report.occurred_at),
            received_at=received_at,
        )

    def _group(
        self,
        sender: Sender,
        report: Report,
        message: str,
        backtrace: list[Any],
        digest: bytes | None,
        notifier: dict[str, Any],
    ) -> Grouping:
        """Where the report belongs; remembered, since a storm brings the same backtrace again and again."""
        key = (
            digest,
            report.error_class,
            message,
            report.fingerprint,
            sender.disabled_rules,
            str(notifier.get("name")),
            str(notifier.get("language")),
        )
        grouping = self._groupings.get(key) if digest else None
        if grouping is None:
            grouping = group(
                report.error_class,
                message,
                parse(backtrace),
                notifier=notifier,
                fingerprint=report.fingerprint,
                disabled=sender.disabled_rules,
            )
            if len(message) < _REMEMBERED_MESSAGE:
                if len(self._groupings) >= _REMEMBERED_GROUPINGS:
                    self._groupings.clear()
                self._groupings[key] = grouping
        return grouping

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
    try:
        text = orjson.dumps(backtrace, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers of more than 64 bits
        text = json.dumps(backtrace, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=16).digest()


def ingestion(app: Flask | None = None) -> Ingestion:
    """The `Ingestion` of ``app``, or of the current one."""
    found: Ingestion = (app or current_app).extensions["checkend_ingestion"]
    return found
