"""Process a report: from an ingestion key and a request body to a stored notice or a counted duplicate."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask

from checkend import clock
from checkend.grouping.fingerprint import group
from checkend.grouping.stacktrace import parse_stacktrace
from checkend.ingest.apps import IngestAppCache
from checkend.ingest.dedup import GroupingCache, GroupingCacheEntry, digest, grouping_cache_key
from checkend.ingest.exceptions import (
    DatabaseUnavailableError,
    InvalidReportError,
    MalformedReportError,
    NotDuplicateError,
    StaleKeyError,
)
from checkend.ingest.facets import extract_facets, facet_sources
from checkend.ingest.json_body import read_json
from checkend.ingest.large_reports import LARGE_BYTES, LargeReportLimiter, LargeReportSlot
from checkend.ingest.normalize import normalize_report
from checkend.ingest.quota import StorageLimits
from checkend.ingest.rate_limit import RateLimiter
from checkend.ingest.report_queue import STALL_SECONDS
from checkend.ingest.reports import IngestApp, IngestResult, NormalizedReport, NoticeContent, PreparedReport
from checkend.ingest.server_queue import request_threads, seconds_in_queue
from checkend.ingest.store import ReportStore
from checkend.ingest.writer import Writer
from checkend.models.level import extract_level
from checkend.scrubbing.scrubber import Scrubber, ScrubbingPolicy
from checkend.services import services

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Ingestion:
    """All of ingestion for the database at ``path``. Thread-safe."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.max_body_bytes: int = config["MAX_BODY_BYTES"]
        self.documented_200: bool = config["NOTICE_DEDUP_STATUS"] == "200"
        self.apps = IngestAppCache(path)
        self.scrubber = Scrubber(scrubbing_policy(config))
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
        window_seconds = config["NOTICE_DEDUP_WINDOW_SECONDS"] if config["NOTICE_DEDUP_ENABLED"] else 0
        self._grouping_cache = GroupingCache(window_seconds * 1_000_000)
        limits = StorageLimits(config["MAX_APP_PROBLEMS"], config["MAX_APP_BYTES"], config["MAX_STORE_BYTES"])
        self.writer = Writer(
            ReportStore(path, window_seconds, limits=limits, lock_timeout=STALL_SECONDS),
            queue_size=config["INGEST_QUEUE_SIZE"],
            timeout=config["INGEST_TIMEOUT_SECONDS"],
        )

    def receive(self, app: IngestApp, body: bytes, environ: "WSGIEnvironment") -> IngestResult:
        """Store the report in ``body``, uncompressed JSON, and charge its app for it; on disk when this returns.

        Raises `RateLimitedError` when the app has too many large reports in progress, and what `accept` raises.
        """
        if self._threads is None:
            self._learn_threads(environ)
        if not self.writer.queue.is_healthy:
            self.writer.queue.check()
        waited = seconds_in_queue(environ)
        deadline = time.monotonic() + self._timeout - (waited or 0.0)
        if waited is not None and waited >= self._timeout:
            raise DatabaseUnavailableError("the report waited too long for a request thread", "timeout")
        limiter = self.limiter
        if limiter is None:
            return self._process(app, body, waited, deadline)
        started = limiter.measure(len(body))
        try:
            return self._process(app, body, waited, deadline)
        finally:
            limiter.charge(app.app_id, len(body), started)

    def _learn_threads(self, environ: "WSGIEnvironment") -> None:
        """Keep two request threads free of reports while the writer is stalled, or one if there are only two."""
        threads = request_threads(environ, self._assumed_threads)
        self.writer.queue.stalled_limit = max(threads - 2, min(threads - 1, 1))
        self.large_reports.threads = self._threads = threads

    def _process(self, app: IngestApp, body: bytes, waited: float | None, deadline: float) -> IngestResult:
        if len(body) < LARGE_BYTES:
            return self.accept(app, read_json(body, self.scrubber.max_items), deadline)
        with self.large_reports.admit(app.app_id, len(body), waited, deadline) as slot:
            return self.accept(app, read_json(body, self.scrubber.max_items), deadline, slot)

    def accept(
        self, app: IngestApp, payload: Any, deadline: float | None = None, slot: LargeReportSlot | None = None
    ) -> IngestResult:
        """Store the report in ``payload``, a JSON value in any SDK's form; on disk when this returns.

        ``deadline`` is as in `Writer.submit`. ``slot`` is released before the report waits for the writer.

        Raises `MalformedReportError`, `InvalidReportError`, `UnknownKeyError`, `DatabaseUnavailableError`,
        `ReportRejectedError` and `StorageLimitError`.
        """
        try:
            return self._accept(app, payload, deadline, slot)
        except StaleKeyError:
            return self.accept(self.apps.reload(app.ingestion_key), payload, deadline)
        except (MalformedReportError, InvalidReportError):
            self.apps.reload(app.ingestion_key)  # without a valid key the only response is 401
            raise

    def _accept(
        self, app: IngestApp, payload: Any, deadline: float | None, slot: LargeReportSlot | None
    ) -> IngestResult:
        received_at = clock.now()
        received_micros = clock.to_micros(received_at)
        try:
            report = normalize_report(payload, received_at)
            key = grouping_cache_key(app, report)
            known = self._grouping_cache.find(key, received_micros)
            if known is not None:
                duplicate = self._prepare_duplicate(app, report, received_micros, known)
                with suppress(NotDuplicateError):
                    return self._submit(duplicate, deadline, slot)
            prepared = self.prepare(app, report, received_micros)
        except RecursionError:
            raise MalformedReportError("Request body is nested too deeply") from None
        result = self._submit(prepared, deadline, slot)
        if not result.deduplicated:
            self._grouping_cache.add(key, report, prepared)
        return result

    def _submit(self, prepared: PreparedReport, deadline: float | None, slot: LargeReportSlot | None) -> IngestResult:
        if slot is not None:
            slot.release()
        return self.writer.submit(prepared, deadline)

    def _prepare_duplicate(
        self, app: IngestApp, report: NormalizedReport, received_at: int, known: GroupingCacheEntry
    ) -> PreparedReport:
        """Prepare a report that most likely will only be counted, without its content.

        If it has to be stored after all, the writer raises `NotDuplicateError`.
        """
        sources = facet_sources(report.details)
        if digest(sources) == known.sources_digest:
            facets = known.facets
        else:
            facets = extract_facets(self.scrubber.details(sources), app.environment)
        return PreparedReport(
            app=app,
            fingerprint=known.fingerprint,
            error_class=report.error_class,
            error_message=report.error_message,
            digest=known.backtrace_digest,
            tags=report.tags,
            facets=facets,
            occurred_at=clock.to_micros(report.occurred_at),
            received_at=received_at,
            level=extract_level(report.details),
        )

    def prepare(self, app: IngestApp, report: NormalizedReport, received_at: int) -> PreparedReport:
        """Scrub and group a report: everything that needs no database. ``received_at`` is in µs."""
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
            disabled=app.disabled_rules,
        )
        return PreparedReport(
            app=app,
            fingerprint=grouping.fingerprint,
            error_class=error_class,
            error_message=message,
            digest=digest(backtrace) if backtrace else None,
            tags=report.tags,
            facets=extract_facets(details, app.environment),
            occurred_at=clock.to_micros(report.occurred_at),
            received_at=received_at,
            content=NoticeContent(grouping.version, grouping.reason, grouping.location, details, backtrace),
            level=extract_level(report.details),
        )

    def close(self) -> None:
        """Write the reports in the queue, and stop."""
        self.writer.close()
        self.apps.close()


def scrubbing_policy(config: dict[str, Any]) -> ScrubbingPolicy:
    """Return the scrubbing rules and size limits that the settings define."""
    return ScrubbingPolicy(
        add=frozenset(config["SCRUB_ADD"]),
        remove=frozenset(config["SCRUB_REMOVE"]),
        drop_personal=config["DROP_PERSONAL_DATA"],
        depth=config["LIMIT_DEPTH"],
        keys=config["LIMIT_KEYS"],
        text=config["LIMIT_TEXT"],
        frames=config["LIMIT_FRAMES"],
    )


def ingestion(app: Flask | None = None) -> Ingestion:
    """Return the `Ingestion` of ``app``, by default of the current app."""
    return services(app).ingestion
