"""The metrics of a server in Prometheus' text format, version 0.0.4: `render`.

Imported when /metrics is first read, since prometheus-client takes a tenth of a second to import.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

from flask import current_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from sqlalchemy import select

from checkend._version import __version__
from checkend.db.errors import DATABASE_ERRORS, driver_error
from checkend.db.schema import database_path
from checkend.db.session import db
from checkend.db.vacuum import file_usage
from checkend.models import App
from checkend.notifications import mail
from checkend.services import services
from checkend.telemetry.metrics import Histogram

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

T = TypeVar("T")

log = logging.getLogger("checkend.monitoring")


class ServerCollector:
    """Collect the metrics of the current app."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families in the order of the page."""
        for collect in (_process, _reports, _writer, _requests, _database, _retention, _notifications):
            yield from collect()


def render() -> bytes:
    """Return the metrics of the current app. What the database cannot provide is left out and logged."""
    return generate_latest(ServerCollector())


def histogram_family(
    name: str, documentation: str, histograms: Iterable[tuple[list[str], Histogram]], labels: tuple[str, ...] = ()
) -> HistogramMetricFamily:
    """Return ``histograms``, each with its label values, as one family."""
    family = HistogramMetricFamily(name, documentation, labels=labels)
    for values, histogram in histograms:
        bounds = (*map(str, histogram.bounds), "+Inf")
        family.add_metric(values, list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.sum)
    return family


def _counter_family(
    name: str, documentation: str, labels: tuple[str, ...], samples: Iterable[tuple[list[str], int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=labels)
    for values, count in samples:
        family.add_metric(values, count)
    return family


def _process() -> Iterator[Metric]:
    info = GaugeMetricFamily("checkend_info", "Version of the server.", labels=("version",))
    info.add_metric([__version__], 1)
    yield info
    yield GaugeMetricFamily(
        "process_start_time_seconds",
        "When the server was started, in seconds since 1970.",
        current_app.config["STARTED_AT"].timestamp(),
    )
    statm = Path("/proc/self/statm")
    if statm.exists():
        resident = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory of the server.", resident)


def _reports() -> Iterator[Metric]:
    metrics = services().metrics
    rows = _if_readable(lambda: db.session.execute(select(App.id, App.slug)).all()) or []
    slugs: dict[int | None, str] = {app_id: slug for app_id, slug in rows}
    yield _counter_family(
        "checkend_reports_total",
        "Reports by app, outcome (stored, deduplicated, refused) and status of the response.",
        ("app", "outcome", "status"),
        (
            ([slugs.get(app_id, str(app_id or "")), outcome, str(status)], count)
            for (app_id, outcome, status), count in metrics.reports()
        ),
    )
    yield _counter_family(
        "checkend_reports_rejected_total",
        "Reports rejected with 429 or 503, by app and reason.",
        ("app", "reason"),
        (([slugs.get(app_id, str(app_id)), reason], count) for (app_id, reason), count in metrics.rejections()),
    )


def _writer() -> Iterator[Metric]:
    writer = services().ingestion.writer
    yield GaugeMetricFamily("checkend_queue_length", "Reports that wait for the writer.", writer.queue_length)
    yield GaugeMetricFamily("checkend_writer_healthy", "0 while the writer is stalled or failing.", writer.is_healthy)
    yield histogram_family("checkend_batch_size", "Reports stored per transaction.", [([], writer.batches)])
    yield histogram_family("checkend_commit_seconds", "Duration of these transactions.", [([], writer.commits)])


def _requests() -> Iterator[Metric]:
    metrics = services().metrics
    yield _counter_family(
        "checkend_requests_total",
        "Requests by route group and status.",
        ("group", "status"),
        (([group, str(status)], count) for (group, status), count in metrics.requests()),
    )
    yield histogram_family(
        "checkend_request_seconds",
        "Time until a response began, by route group.",
        (([group], histogram) for group, histogram in metrics.seconds()),
        ("group",),
    )


def _database() -> Iterator[Metric]:
    usage = _if_readable(file_usage)
    yield GaugeMetricFamily("checkend_store_readable", "1 while the database can be read.", usage is not None)
    if usage is None:
        return
    yield GaugeMetricFamily("checkend_store_bytes", "Size of the SQLite file.", usage.file_bytes)
    yield GaugeMetricFamily("checkend_store_used_bytes", "Used bytes in the SQLite file.", usage.used_bytes)
    wal = database_path(Path(current_app.instance_path)).with_suffix(".sqlite3-wal")
    wal_bytes = wal.stat().st_size if wal.exists() else 0
    yield GaugeMetricFamily("checkend_store_log_bytes", "Size of the write-ahead log next to the file.", wal_bytes)
    cap = current_app.config["MAX_STORE_BYTES"]
    yield GaugeMetricFamily("checkend_store_cap_bytes", "CHECKEND_MAX_STORE_BYTES; 0 for no limit.", cap)


def _retention() -> Iterator[Metric]:
    worker = services().retention
    for name, documentation, count in (
        ("runs", "Complete retention runs.", worker.runs),
        ("failures", "Retention runs that an error ended.", worker.failures),
        ("notices", "Notices removed by retention.", worker.removed.notices),
        ("problems", "Problems without notices removed by retention.", worker.removed.problems),
        ("backtraces", "Backtraces removed by retention.", worker.removed.backtraces),
        ("freed_bytes", "Bytes by which retention shortened the SQLite file.", worker.removed.freed),
    ):
        yield CounterMetricFamily(f"checkend_retention_{name}_total", documentation, count)
    limited = "1 while the last run left expired notices, because the clock may have jumped."
    yield GaugeMetricFamily("checkend_retention_limited", limited, worker.limited)
    if worker.finished_at is not None:
        finished = worker.finished_at.timestamp()
        yield GaugeMetricFamily(
            "checkend_retention_finished_seconds", "When the last run ended, in seconds since 1970.", finished
        )


def _notifications() -> Iterator[Metric]:
    yield _counter_family(
        "checkend_notifications_total",
        "Mail to users, and attempts to deliver notifications about problems, by outcome.",
        ("channel", "outcome"),
        [
            *((["mail", outcome], count) for outcome, count in mail.outcomes.items()),
            (["problems", "sent"], services().notifications.delivered),
            (["problems", "failed"], services().notifications.failed),
        ],
    )


def _if_readable(read: Callable[[], T]) -> T | None:
    """Return what ``read`` returns, or None if the database cannot be read: the other metrics matter most then."""
    try:
        return read()
    except DATABASE_ERRORS as error:
        db.session.rollback()
        log.error("/metrics: the database cannot be read: %s", driver_error(error))
        return None
