"""Measure the CPU time of taking reports in; ``python -m tests.ingest.report_costs`` shows it for every body."""

import sys
import time
from datetime import UTC, datetime

from checkend.config import SETTINGS
from checkend.extensions import fold
from checkend.ingest.payload import Invalid, Unreadable, to_report
from checkend.ingest.scrubbing import Scrubber
from checkend.ingest.service import Ingestion, _key, policy_of
from checkend.ingest.store import Prepared, Sender
from checkend.models.packing import pack
from tests.ingest.hostile_bodies import bodies

SENDER = Sender("key", 1, None, frozenset())
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def cost(body: bytes, runs: int = 1) -> tuple[float, Prepared | None]:
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
    ingestion.scrubber = Scrubber(policy_of({setting.name: setting.default for setting in SETTINGS}))
    return ingestion


def _take_in(ingestion: Ingestion, body: bytes) -> Prepared | None:
    try:
        report = to_report(ingestion.read(body), NOW)
        _key(SENDER, report)
        prepared = ingestion.prepare(SENDER, report, 1)
    except (Unreadable, Invalid):
        return None
    assert prepared.content is not None
    pack(prepared.content.details)
    pack(prepared.content.backtrace)
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
