"""Ingestion as one object an app: from an ingestion key and a payload to a stored report."""

import hashlib
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, current_app

from checkend import clock
from checkend.extensions import REQUEST_LOCK_SECONDS, StoreConnection, connect
from checkend.ingest.backtraces import parse
from checkend.ingest.facets import facets_of, sources_of
from checkend.ingest.grouping import group
from checkend.ingest.large_reports import LARGE_BYTES, LargeReports, Turn
from checkend.ingest.limits import RateLimiter
from checkend.ingest.payload import Invalid, Report, Unreadable, read_json, to_report
from checkend.ingest.quota import Limits
from checkend.ingest.scrubbing import Policy, Scrubber
from checkend.ingest.server_queue import request_threads, seconds_in_queue
from checkend.ingest.store import Content, NotARepeat, Prepared, ReportStore, Sender, SenderChanged, Stored, find_sender
from checkend.ingest.writer import STALL_SECONDS, Unavailable, Writer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_REMEMBERED_SENDERS = 1000
_REMEMBERED_REPORTS = 2000


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a report that was stored came to, for the repeats of it that may follow.

    ``facets`` are those of reports with the same ``sources``, a digest of what they are taken from.
    """

    fingerprint: str
    digest: bytes | None
    stored_at: int
    sources: bytes
    facets: tuple[tuple[str, str], ...]


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
            RateLimiter(
                config["RATE_LIMIT_INGESTION_PER_MINUTE"],
                config["RATE_LIMIT_INGESTION_PER_HOUR"],
                bytes_per_minute=config["RATE_LIMIT_INGESTION_BYTES_PER_MINUTE"],
                cpu_seconds_per_minute=config["RATE_LIMIT_INGESTION_CPU_SECONDS_PER_MINUTE"],
            )
            if config["RATE_LIMIT_ENABLED"]
            else None
        )
        self._timeout: float = config["INGEST_TIMEOUT_SECONDS"]
        self._threads: int | None = None
        self._assumed_threads: int = config["THREADS"]
        self.large_reports = LargeReports(limited=config["RATE_LIMIT_ENABLED"], threads=config["THREADS"])
        window = config["NOTICE_DEDUP_WINDOW_SECONDS"] if config["NOTICE_DEDUP_ENABLED"] else 0
        self._repeat_window = window * 1_000_000
        self.writer = Writer(
            ReportStore(path, window, limits=limits_of(config), lock_timeout=STALL_SECONDS),
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

    def receive(self, sender: Sender, body: bytes, environ: "WSGIEnvironment") -> Stored:
        """Store the report in ``body``, unpacked JSON, and charge its app for it; on the disk when this returns.

        Raises what `accept` does, and `limits.RateLimitedError` when the app has too many large reports in progress.
        """
        if self._threads is None:
            self._learn_threads(environ)
        if not self.writer.is_healthy:
            self.writer.check()
        waited = seconds_in_queue(environ)
        deadline = time.monotonic() + self._timeout - (waited or 0.0)
        if waited is not None and waited >= self._timeout:
            raise Unavailable("the report waited too long for a request thread", "timeout")
        limiter = self.limiter
        if limiter is None:
            return self._process(sender, body, waited, deadline)
        began = limiter.measure(len(body))
        try:
            return self._process(sender, body, waited, deadline)
        finally:
            limiter.charge(sender.app_id, len(body), began)

    def _process(self, sender: Sender, body: bytes, waited: float | None, deadline: float) -> Stored:
        if len(body) < LARGE_BYTES:
            return self.accept(sender, self.read(body), deadline)
        with self.large_reports.admit(sender.app_id, len(body), waited, deadline) as turn:
            return self.accept(sender, self.read(body), deadline, turn)

    def read(self, body: bytes) -> Any:
        """Return the JSON value in ``body``, with no more keys and items than are kept. Raises `payload.Unreadable`."""
        return read_json(body, self.scrubber.most_items)

    def _learn_threads(self, environ: "WSGIEnvironment") -> None:
        """Keep two request threads free of reports while the writer is stalled; one where there are only two."""
        threads = request_threads(environ, self._assumed_threads)
        self.writer.stalled_limit = max(threads - 2, min(threads - 1, 1))
        self.large_reports.threads = self._threads = threads

    def accept(self, sender: Sender, value: Any, deadline: float | None = None, turn: Turn | None = None) -> Stored:
        """Store the report in ``value``, a JSON value in any SDK's form; on the disk when this returns.

        ``deadline`` is as in `Writer.submit`. ``turn`` is released before the report waits for the writer.

        Raises `payload.Unreadable`, `payload.Invalid`, `UnknownKey`, `writer.Unavailable`, `writer.Unstorable`,
        `quota.StorageLimitError`.
        """
        try:
            return self._accept(sender, value, deadline, turn)
        except SenderChanged:
            return self.accept(self._look_up(sender.ingestion_key), value, deadline)
        except (Unreadable, Invalid):
            self._look_up(sender.ingestion_key)  # whoever has no valid key learns nothing else
            raise

    def _accept(self, sender: Sender, value: Any, deadline: float | None, turn: Turn | None) -> Stored:
        received_at = clock.now()
        micros = clock.to_micros(received_at)
        try:
            report = to_report(value, received_at)
            key = _key(sender, report)
            seen = self._seen.get(key)
            if seen is not None and 0 <= micros - seen.stored_at < self._repeat_window:
                with suppress(NotARepeat):
                    return self._submit(self._prepare_repeat(sender, report, micros, seen), deadline, turn)
            prepared = self.prepare(sender, report, micros)
        except RecursionError:
            raise Unreadable("Request body is nested too deeply") from None
        stored = self._submit(prepared, deadline, turn)
        if not stored.deduplicated:
            self._remember(key, prepared, report)
        return stored

    def _submit(self, prepared: Prepared, deadline: float | None, turn: Turn | None) -> Stored:
        if turn is not None:
            turn.release()
        return self.writer.submit(prepared, deadline)

    def _remember(self, key: tuple[Sender, bytes], prepared: Prepared, report: Report) -> None:
        sources = _digest(sources_of(report.details))
        with self._seen_guard:
            self._seen.pop(key, None)
            while len(self._seen) >= _REMEMBERED_REPORTS:
                del self._seen[next(iter(self._seen))]  # the oldest
            self._seen[key] = _Seen(
                prepared.fingerprint, prepared.digest, prepared.received_at, sources, prepared.facets
            )

    def _prepare_repeat(self, sender: Sender, report: Report, received_at: int, seen: "_Seen") -> Prepared:
        """A report that will most likely only be counted: nothing that would be stored is worked out.

        The writer raises `NotARepeat` when it is none after all.
        """
        sources = sources_of(report.details)
        if _digest(sources) == seen.sources:
            facets = seen.facets
        else:
            facets = facets_of(self.scrubber.details(sources), sender.environment)
        return Prepared(
            sender=sender,
            fingerprint=seen.fingerprint,
            error_class=report.error_class,
            error_message=report.error_message,
            digest=seen.digest,
            tags=report.tags,
            facets=facets,
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
            connection = self._local.connection = connect(self._path, timeout=REQUEST_LOCK_SECONDS)
            self._readers.append(connection)
        return connection


def limits_of(config: dict[str, Any]) -> Limits:
    """Return the storage limits that the settings ask for."""
    return Limits(config["MAX_APP_PROBLEMS"], config["MAX_APP_BYTES"], config["MAX_STORE_BYTES"])


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
