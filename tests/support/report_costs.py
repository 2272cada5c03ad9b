"""Measure the CPU time of taking reports in; ``python -m tests.support.report_costs`` shows it for every body."""

import sys
import time
from datetime import UTC, datetime

from checkend.config import SETTINGS
from checkend.db.compression import compress
from checkend.db.search import fold
from checkend.ingest.normalize import InvalidReportError, MalformedReportError, normalize_report
from checkend.ingest.pipeline import Ingestion, _key, scrubbing_policy
from checkend.ingest.store import IngestApp, PreparedReport
from checkend.scrubbing.scrubber import Scrubber
from tests.support.hostile_bodies import bodies

SENDER = IngestApp("key", 1, None, frozenset())
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def cost(body: bytes, runs: int = 1) -> tuple[float, PreparedReport | None]:
    """Return the CPU seconds from the bytes of a report to its rows, and what is stored; None for a rejected report.

    Nothing is remembered from one run to the next; of several ``runs`` the fastest counts.
    """
    fastest, prepared = sys.float_info.max, None
    for _ in range(runs):
        ingestion = _ingestion()
        began = time.thread_time()
        prepared = _take_in(ingestion, body)
        fastest = min(fastest, time.thread_time() - began)
    return fastest, prepared


def reference() -> float:
    """Return the CPU seconds of a fixed piece of work, about 0.042 on a quiet two-core machine.

    A cost is compared with it, since a shared machine may be several times slower from one second to the next.
    """
    began = time.thread_time()
    total = 0
    for number in range(1_000_000):
        total += number & 3
    return time.thread_time() - began


def _ingestion() -> Ingestion:
    ingestion = Ingestion.__new__(Ingestion)  # without a writer and a store
    ingestion.scrubber = Scrubber(scrubbing_policy({setting.name: setting.default for setting in SETTINGS}))
    return ingestion


def _take_in(ingestion: Ingestion, body: bytes) -> PreparedReport | None:
    try:
        report = normalize_report(ingestion.read(body), NOW)
        _key(SENDER, report)
        prepared = ingestion.prepare(SENDER, report, 1)
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
