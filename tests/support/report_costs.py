"""Measure the CPU time of processing reports; ``python -m tests.support.report_costs`` shows it for every body."""

import sys
import time
from datetime import UTC, datetime

from checkend.config import SETTINGS
from checkend.db.compression import compress
from checkend.db.search import fold
from checkend.ingest.dedup import grouping_cache_key
from checkend.ingest.exceptions import InvalidReportError, MalformedReportError
from checkend.ingest.json_body import read_json
from checkend.ingest.normalize import normalize_report
from checkend.ingest.pipeline import Ingestion, scrubbing_policy
from checkend.ingest.reports import IngestApp, PreparedReport
from checkend.scrubbing.scrubber import Scrubber
from tests.support.hostile_bodies import bodies

APP = IngestApp("key", 1, None, frozenset())
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def cost(body: bytes, runs: int = 1) -> tuple[float, PreparedReport | None]:
    """Return the CPU seconds from the bytes of a report to its rows, and the report; None for a rejected report.

    Each of the ``runs`` starts with empty caches; the fastest counts.
    """
    fastest, prepared = sys.float_info.max, None
    for _ in range(runs):
        ingestion = _ingestion()
        started = time.thread_time()
        prepared = _process(ingestion, body)
        fastest = min(fastest, time.thread_time() - started)
    return fastest, prepared


def reference() -> float:
    """Return the CPU seconds of a fixed piece of work, about 0.042 on a quiet two-core machine.

    A cost is compared with it, since a shared machine may be several times slower from one second to the next.
    """
    started = time.thread_time()
    total = 0
    for number in range(1_000_000):
        total += number & 3
    return time.thread_time() - started


def _ingestion() -> Ingestion:
    ingestion = Ingestion.__new__(Ingestion)  # without a writer and a database
    ingestion.scrubber = Scrubber(scrubbing_policy({setting.name: setting.default for setting in SETTINGS}))
    return ingestion


def _process(ingestion: Ingestion, body: bytes) -> PreparedReport | None:
    try:
        report = normalize_report(read_json(body, ingestion.scrubber.max_items), NOW)
        grouping_cache_key(APP, report)
        prepared = ingestion.prepare(APP, report, 1)
    except (MalformedReportError, InvalidReportError):
        return None
    assert prepared.content is not None
    compress(prepared.content.details)
    compress(prepared.content.backtrace)
    fold(f"{prepared.error_class}\n{prepared.error_message}")
    return prepared


def main() -> None:
    """Print the cost of every body, the highest last; also as a multiple of `reference`."""
    costs = []
    for name, make in bodies():
        body = make()
        before = reference()
        seconds, _ = cost(body, runs=3)
        costs.append((2 * seconds / (before + reference()), seconds, name))
    for multiple, seconds, name in sorted(costs):
        print(f"{multiple:5.2f}  {seconds * 1000:7.1f} ms  {name}")


if __name__ == "__main__":
    main()
