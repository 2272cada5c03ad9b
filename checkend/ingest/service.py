"""Ingestion as one object an app: from an ingestion key and a payload to a stored report."""

import hashlib
import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, current_app

from checkend import clock
from checkend.extensions import StoreConnection, connect
from checkend.ingest.backtraces import parse
from checkend.ingest.facets import facets_of, sources_of
from checkend.ingest.grouping import group
from checkend.ingest.limits import RateLimiter
from checkend.ingest.payload import Invalid, Report, Unreadable, read_json, to_report
from checkend.ingest.scrubbing import Policy, Scrubber
from checkend.ingest.store import Content, NotARepeat, Prepared, ReportStore, Sender, SenderChanged, Stored, find_sender
from checkend.ingest.writer import Writer

_REMEMBERED_SENDERS = 1000
_REMEMBERED_REPORTS = 2000


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a report that was stored came to, for the repeats of it that may follow."""

    fingerprint: str
    digest: bytes | None
    stored_at: int


class UnknownKey(Exception):
    """The ingestion key is no app's."""


class Ingestion:
    """Takes reports in for the store at ``path``. Safe for any number of threads."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self._path = path
        self.max_body_bytes: int = config["MAX_BODY_BYTES"]
        self.documented_200: bool = config["NOTICE_DEDUP_STATUS"] == "200"
        self._local = threading.local()
        self._readers: list[StoreConnection] = []
        self.scrubber = Scrubber(policy_of(config))
        self._seen: dict[tuple[Sender, bytes], _Seen] = {}
        self._seen_guard = threading.Lock()
        self._senders: dict[str, Sender] = {}
        self.limiter = (
            RateLimiter(config["RATE_LIMIT_INGESTION_PER_MINUTE"], config["RATE_LIMIT_INGESTION_PER_HOUR"])
            if config["RATE_LIMIT_ENABLED"]
            else None
        )
        window = config["NOTICE_DEDUP_WINDOW_SECONDS"] if config["NOTICE_DEDUP_ENABLED"] else 0
        self._repeat_window = window * 1_000_000
        self.writer = Writer(
            ReportStore(
                path, window, max_bytes=config["MAX_STORE_BYTES"], lock_timeout=config["INGEST_TIMEOUT_SECONDS"]
            ),
            queue_size=config["INGEST_QUEUE_SIZE"],
            timeout=config["INGEST_TIMEOUT_SECONDS"],
        )

    def sender(self, ingestion_key: str) -> Sender:
        """Whose key it is. May come from memory: the writer checks it once more before it stores anything.

        Raises `UnknownKey`.
        """
        return self._senders.get(ingestion_key) or self._look_up(ingestion_key)

    def remembered(self, ingestion_key: str) -> Sender | None:
        """Like `sender`, from memory alone: None when the key is not in it."""
        return self._senders.get(ingestion_key)

    def check(self, ingestion_key: str) -> None:
        """Look at the store whether the key still is an app's. Raises `UnknownKey`."""
        self._look_up(ingestion_key)

    def _look_up(self, ingestion_key: str) -> Sender:
        self._senders.pop(ingestion_key, None)
        found = find_sender(self._reader(), ingestion_key)
        if found is None:
            raise UnknownKey
        if len(self._senders) >= _REMEMBERED_SENDERS:
            self._senders.clear()
        self._senders[ingestion_key] = found
        return found

    def read(self, body: bytes) -> Any:
        """Return the JSON value in ``body``, with no more keys and items than are kept. Raises `payload.Unreadable`."""
        return read_json(body, self.scrubber.most_items)

    def accept(self, sender: Sender, value: Any) -> Stored:
        """Store the report in ``value``, a JSON value in any SDK's form; on the disk when this returns.

        Raises `payload.Unreadable`, `payload.Invalid`, `UnknownKey`, `writer.Unavailable`, `writer.Unstorable`.
        """
        try:
            return self._accept(sender, value)
        except SenderChanged:
            return self.accept(self._look_up(sender.ingestion_key), value)
        except (Unreadable, Invalid):
            self._look_up(sender.ingestion_key)  # whoever has no valid key learns nothing else
            raise

    def _accept(self, sender: Sender, value: Any) -> Stored:
        received_at = clock.now()
        micros = clock.to_micros(received_at)
        try:
            report = to_report(value, received_at)
            key = _key(sender, report)
            seen = self._seen.get(key)
            if seen is not None and micros - seen.stored_at < self._repeat_window:
                with suppress(NotARepeat):
                    return self.writer.submit(self._prepare_repeat(sender, report, micros, seen))
            prepared = self.prepare(sender, report, micros)
        except RecursionError:
            raise Unreadable("Request body is nested too deeply") from None
        stored = self.writer.submit(prepared)
        if not stored.deduplicated:
            self._remember(key, prepared)
        return stored

    def _remember(self, key: tuple[Sender, bytes], prepared: Prepared) -> None:
        with self._seen_guard:
            self._seen.pop(key, None)
            while len(self._seen) >= _REMEMBERED_REPORTS:
                del self._seen[next(iter(self._seen))]  # the oldest
            self._seen[key] = _Seen(prepared.fingerprint, prepared.digest, prepared.received_at)

    def _prepare_repeat(self, sender: Sender, report: Report, received_at: int, seen: "_Seen") -> Prepared:
        """A report that will most likely only be counted: nothing that would be stored is worked out.

        The writer raises `NotARepeat` when it is none after all.
        """
        details = self.scrubber.details(sources_of(report.details))
        return Prepared(
            sender=sender,
            fingerprint=seen.fingerprint,
            error_class=report.error_class,
            error_message=report.error_message,
            digest=seen.digest,
            tags=report.tags,
            facets=facets_of(details, sender.environment),
            occurred_at=clock.to_micros(report.occurred_at),
            received_at=received_at,
        )

    def prepare(self, sender: Sender, report: Report, received_at: int) -> Prepared:
        """All that needs no store: scrubbed and grouped."""
        scrubber = self.scrubber
        backtrace = scrubber.backtrace(report.backtrace)
        details = scrubber.details(report.details)
        error_class = scrubber.error_class(report.error_class)
        message = scrubber.text(report.error_message)
        grouping = group(
            error_class,
            message,
            parse(backtrace),
            notifier=details["notifier"],
            fingerprint=report.fingerprint,
            disabled=sender.disabled_rules,
        )
        return Prepared(
            sender=sender,
            fingerprint=grouping.fingerprint,
            error_class=error_class,
            error_message=message,
            digest=digest_of(backtrace),
            tags=report.tags,
            facets=facets_of(details, sender.environment),
            occurred_at=clock.to_micros(report.occurred_at),
            received_at=received_at,
            content=Content(grouping.version, grouping.reason, grouping.location, details, backtrace),
        )

    def close(self) -> None:
        """Write what is on its way, and stop."""
        self.writer.close()
        while self._readers:
            self._readers.pop().close()

    def _reader(self) -> StoreConnection:
        connection: StoreConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path)
            self._readers.append(connection)
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


def _key(sender: Sender, report: Report) -> tuple[Sender, bytes]:
    """Identify all of a report that decides where it belongs, as it was sent: by a digest, which keeps none of it."""
    notifier = report.details["notifier"]
    telling = [
        report.error_class,
        report.error_message,
        report.fingerprint,
        report.backtrace,
        notifier.get("name"),
        notifier.get("language"),
    ]
    return sender, _digest(telling)


def digest_of(backtrace: Any) -> bytes | None:
    """Under what a backtrace is stored: 16 bytes that depend on all of its content; None for an empty one."""
    return _digest(backtrace) if backtrace else None


def _digest(value: Any) -> bytes:
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers of more than 64 bits
        text = json.dumps(value, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=16).digest()


def ingestion(app: Flask | None = None) -> Ingestion:
    """The `Ingestion` of ``app``, or of the current one."""
    found: Ingestion = (app or current_app).extensions["checkend_ingestion"]
    return found
