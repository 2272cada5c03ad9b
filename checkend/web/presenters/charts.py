"""Charts of occurrences over time, as bars that the templates draw as SVG. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HEIGHT = 100
BAR = 10
GAP = 2


@dataclass(frozen=True, slots=True)
class Span:
    """The period of a chart: ``bars`` steps of ``step`` each, the last of which includes the present."""

    key: str
    label: str
    bars: int
    step: timedelta


SPANS = {
    span.key: span
    for span in (
        Span("24h", "24 hours", 24, timedelta(hours=1)),
        Span("14d", "14 days", 56, timedelta(hours=6)),
        Span("90d", "90 days", 90, timedelta(days=1)),
    )
}
SPARK_DAYS = 14


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar in the coordinates of its chart, its count, and its tooltip."""

    x: int
    y: int
    height: int
    count: int
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from oldest to newest on an area of ``width`` by `HEIGHT`, with the labels of the time axis."""

    bars: list[Bar]
    width: int
    total: int
    peak: int
    ticks: list[str]

    @property
    def description(self) -> str:
        """A description of the chart for screen readers."""
        if not self.total:
            return "No occurrences."
        peak = max(self.bars, key=lambda bar: bar.count)
        amount = "1 occurrence" if self.total == 1 else f"{self.total:,} occurrences"
        return f"{amount} in total; peak: {peak.title}."


def first_step(span: Span, now: datetime) -> datetime:
    """Return the start of the first bar. Steps are aligned with midnight UTC, and the last one includes ``now``."""
    return _floor(now, span.step) - (span.bars - 1) * span.step


def chart(counts: Iterable[tuple[datetime, int]], span: Span, now: datetime) -> Chart:
    """Return the chart of ``counts``, (start of the hour or day, count) pairs, over the ``span`` ending ``now``."""
    start = first_step(span, now)
    totals = [0] * span.bars
    for counted_from, count in counts:
        index = (counted_from - start) // span.step
        if 0 <= index < span.bars:
            totals[index] += count
    peak = max(totals)
    bars = []
    for index, count in enumerate(totals):
        height = max(round(HEIGHT * count / peak), 4) if count else 0  # at least 4, to be visible
        title = _title(start + index * span.step, span, count)
        bars.append(Bar(index * (BAR + GAP), HEIGHT - height, height, count, title))
    tick_times = [start + span.bars * part // 4 * span.step for part in range(4)]
    by_hours = span.step < timedelta(hours=6)
    ticks = [f"{time:%H:%M}" if by_hours else f"{time.day} {time:%b}" for time in tick_times]
    return Chart(bars, span.bars * (BAR + GAP) - GAP, sum(totals), peak, [*ticks, "now"])


def sparkline(days: Iterable[tuple[datetime, int]], now: datetime) -> Chart:
    """Return the chart of the last `SPARK_DAYS` UTC days, one bar per day."""
    return chart(days, Span("spark", "14 days", SPARK_DAYS, timedelta(days=1)), now)


def spark_start(now: datetime) -> datetime:
    """Return the start of the first day of a `sparkline`."""
    return _floor(now, timedelta(days=1)) - timedelta(days=SPARK_DAYS - 1)


def _floor(time: datetime, step: timedelta) -> datetime:
    midnight = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (time - midnight) // step * step


def _title(begin: datetime, span: Span, count: int) -> str:
    if span.step >= timedelta(days=1):
        return f"{begin:%a} {begin.day} {begin:%b}: {count}"
    return f"{begin:%a} {begin.day} {begin:%b}, {begin:%H:%M} to {begin + span.step:%H:%M} UTC: {count}"
