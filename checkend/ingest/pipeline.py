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
from flask import Flask

from checkend import clock
from checkend.db.connection import DatabaseConnection, connect
from checkend.db.session import REQUEST_LOCK_SECONDS
from checkend.exceptions import CheckendError
from checkend.grouping.fingerprint import group
from checkend.grouping.stacktrace import parse_stacktrace
from checkend.ingest.facets import facets_of, sources_of
from checkend.ingest.large_reports import LARGE_BYTES, LargeReportLimiter, LargeReportSlot
from checkend.ingest.normalize import InvalidReportError, MalformedReportError, Report, normalize_report, read_json
from checkend.ingest.quota import StorageLimits
from checkend.ingest.rate_limit import RateLimiter
from checkend.ingest.server_queue import request_threads, seconds_in_queue
from checkend.ingest.store import (
    IngestApp,
    IngestResult,
    NotDuplicateError,
    NoticeContent,
    PreparedReport,
    ReportStore,
    StaleKeyError,
    find_ingest_app,
)
from checkend.ingest.writer import STALL_SECONDS, DatabaseUnavailableError, Writer
from checkend.scrubbing.scrubber import Scrubber, ScrubbingPolicy
from checkend.services import services

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_APP_CACHE_SIZE = 1000
_GROUPING_CACHE_SIZE = 2000


@dataclass(frozen=True, slots=True)
class _GroupingCacheEntry:
    """What a report that was stored came to, for the repeats of it that may follow.

    ``facets`` are those of reports with the same ``sources``, a digest of what they are taken from.
    """

    fingerprint: str
    digest: bytes | None
    stored_at: int
    sources: bytes
    facets: tuple[tuple[str, str], ...]


class UnknownKeyError(CheckendError):
    """The ingestion key is no app's."""


class Ingestion:
    """Takes reports in for the store at ``path``. Safe for any number of threads."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self._path = path
        self.max_body_bytes: int = config["MAX_BODY_BYTES"]
        self.documented_200: bool = config["NOTICE_DEDUP_STATUS"] == "200"
        self._local = threading.local()
        self._readers: list[DatabaseConnection] = []
        self.scrubber = Scrubber(scrubbing_policy(config))
        self._seen: dict[tuple[IngestApp, bytes], _GroupingCacheEntry] = {}
        self._seen_guard = threading.Lock()
        self._senders: dict[str, IngestApp] = {}
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
        self.large_reports = LargeReportLimiter(limited=config["RATE_LIMIT_ENABLED"], threads=config["THREADS"])
        window = config["NOTICE_DEDUP_WINDOW_SECONDS"] if config["NOTICE_DEDUP_ENABLED"] else 0
        self._repeat_window = window * 1_000_000
        self.writer = Writer(
            ReportStore(path, window, limits=storage_limits(config), lock_timeout=STALL_SECONDS),
            queue_size=config["INGEST_QUEUE_SIZE"],
            timeout=config["INGEST_TIMEOUT_SECONDS"],
        )

    def sender(self, ingestion_key: str) -> IngestApp:
        """Whose key it is. May come from memory: the writer checks it once more before it stores anything.

        Raises `UnknownKeyError`.
        """
        return self._senders.get(ingestion_key) or self._look_up(ingestion_key)

    def remembered(self, ingestion_key: str) -> IngestApp | None:
        """Like `sender`, from memory alone: None when the key is not in it."""
        return self._senders.get(ingestion_key)

    def check(self, ingestion_key: str) -> None:
        """Look at the store whether the key still is an app's. Raises `UnknownKeyError`."""
        self._look_up(ingestion_key)

    def _look_up(self, ingestion_key: str) -> IngestApp:
        self._senders.pop(ingestion_key, None)
        found = find_ingest_app(self._reader(), ingestion_key)
        if found is None:
            raise UnknownKeyError
        if len(self._senders) >= _APP_CACHE_SIZE:
            self._senders.clear()
        self._senders[ingestion_key] = found
        return found

    def receive(self, sender: IngestApp, body: bytes, environ: "WSGIEnvironment") -> IngestResult:
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
            raise DatabaseUnavailableError("the report waited too long for a request thread", "timeout")
        limiter = self.limiter
        if limiter is None:
            return self._process(sender, body, waited, deadline)
        began = limiter.measure(len(body))
        try:
            return self._process(sender, body, waited, deadline)
        finally:
            limiter.charge(sender.app_id, len(body), began)

    def _process(self, sender: IngestApp, body: bytes, waited: float | None, deadline: float) -> IngestResult:
        if len(body) < LARGE_BYTES:
            return self.accept(sender, self.read(body), deadline)
        with self.large_reports.admit(sender.app_id, len(body), waited, deadline) as turn:
            return self.accept(sender, self.read(body), deadline, turn)

    def read(self, body: bytes) -> Any:
        """Return the JSON value in ``body``, with no more keys and items than are kept.

        Raises `normalize.MalformedReportError`.
        """
        return read_json(body, self.scrubber.most_items)

    def _learn_threads(self, environ: "WSGIEnvironment") -> None:
        """Keep two request threads free of reports while the writer is stalled; one where there are only two."""
        threads = request_threads(environ, self._assumed_threads)
        self.writer.stalled_limit = max(threads - 2, min(threads - 1, 1))
        self.large_reports.threads = self._threads = threads

    def accept(
        self, sender: IngestApp, value: Any, deadline: float | None = None, turn: LargeReportSlot | None = None
    ) -> IngestResult:
        """Store the report in ``value``, a JSON value in any SDK's form; on the disk when this returns.

        ``deadline`` is as in `Writer.submit`. ``turn`` is released before the report waits for the writer.

        Raises `normalize.MalformedReportError`, `normalize.InvalidReportError`, `UnknownKeyError`,
        `writer.DatabaseUnavailableError`, `writer.ReportRejectedError`, `quota.StorageLimitError`.
        """
        try:
            return self._accept(sender, value, deadline, turn)
        except StaleKeyError:
            return self.accept(self._look_up(sender.ingestion_key), value, deadline)
        except (MalformedReportError, InvalidReportError):
            self._look_up(sender.ingestion_key)  # whoever has no valid key learns nothing else
            raise

    def _accept(
        self, sender: IngestApp, value: Any, deadline: float | None, turn: LargeReportSlot | None
    ) -> IngestResult:
        received_at = clock.now()
        micros = clock.to_micros(received_at)
        try:
            report = normalize_report(value, received_at)
            key = _key(sender, report)
            seen = self._seen.get(key)
            if seen is not None and 0 <= micros - seen.stored_at < self._repeat_window:
                with suppress(NotDuplicateError):
                    return self._submit(self._prepare_repeat(sender, report, micros, seen), deadline, turn)
            prepared = self.prepare(sender, report, micros)
        except RecursionError:
            raise MalformedReportError("Request body is nested too deeply") from None
        stored = self._submit(prepared, deadline, turn)
        if not stored.deduplicated:
            self._remember(key, prepared, report)
        return stored

    def _submit(self, prepared: PreparedReport, deadline: float | None, turn: LargeReportSlot | None) -> IngestResult:
        if turn is not None:
            turn.release()
        return self.writer.submit(prepared, deadline)

    def _remember(self, key: tuple[IngestApp, bytes], prepared: PreparedReport, report: Report) -> None:
        sources = _digest(sources_of(report.details))
        with self._seen_guard:
            self._seen.pop(key, None)
            while len(self._seen) >= _GROUPING_CACHE_SIZE:
                del self._seen[next(iter(self._seen))]  # the oldest
            self._seen[key] = _GroupingCacheEntry(
                prepared.fingerprint, prepared.digest, prepared.received_at, sources, prepared.facets
            )

    def _prepare_repeat(
        self, sender: IngestApp, report: Report, received_at: int, seen: "_GroupingCacheEntry"
    ) -> PreparedReport:
        """A report that will most likely only be counted: nothing that would be stored is worked out.

        The writer raises `NotDuplicateError` when it is none after all.
        """
        sources = sources_of(report.details)
        if _digest(sources) == seen.sources:
            facets = seen.facets
        else:
            facets = facets_of(self.scrubber.details(sources), sender.environment)
        return PreparedReport(
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

    def prepare(self, sender: IngestApp, report: Report, received_at: int) -> PreparedReport:
        """All that needs no store: scrubbed and grouped."""
        scrubber = self.scrubber
        backtrace = scrubber.backtrace(report.backtrace)
        details = scrubber.details(report.details)
        error_class = scrubber.error_class(report.error_class)
        message = scrubber.text(report.error_message)
        grouping = group(
            error_class,
            message,
            parse_stacktrace(backtrace),
            notifier=details["notifier"],
            fingerprint=report.fingerprint,
            disabled=sender.disabled_rules,
        )
        return PreparedReport(
            sender=sender,
            fingerprint=grouping.fingerprint,
            error_class=error_class,
            error_message=message,
            digest=backtrace_digest(backtrace),
            tags=report.tags,
            facets=facets_of(details, sender.environment),
            occurred_at=clock.to_micros(report.occurred_at),
            received_at=received_at,
            content=NoticeContent(grouping.version, grouping.reason, grouping.location, details, backtrace),
        )

    def close(self) -> None:
        """Write what is on its way, and stop."""
        self.writer.close()
        while self._readers:
            self._readers.pop().close()

    def _reader(self) -> DatabaseConnection:
        connection: DatabaseConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path, timeout=REQUEST_LOCK_SECONDS)
            self._readers.append(connection)
        return connection


def storage_limits(config: dict[str, Any]) -> StorageLimits:
    """Return the storage limits that the settings ask for."""
    return StorageLimits(config["MAX_APP_PROBLEMS"], config["MAX_APP_BYTES"], config["MAX_STORE_BYTES"])


def scrubbing_policy(config: dict[str, Any]) -> ScrubbingPolicy:
    """The privacy and size rules that the settings ask for."""
    return ScrubbingPolicy(
        add=frozenset(config["SCRUB_ADD"]),
        remove=frozenset(config["SCRUB_REMOVE"]),
        drop_personal=config["DROP_PERSONAL_DATA"],
        depth=config["LIMIT_DEPTH"],
        keys=config["LIMIT_KEYS"],
        text=config["LIMIT_TEXT"],
        frames=config["LIMIT_FRAMES"],
    )


def _key(sender: IngestApp, report: Report) -> tuple[IngestApp, bytes]:
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


def backtrace_digest(backtrace: Any) -> bytes | None:
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
    return services(app).ingestion
