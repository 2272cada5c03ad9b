"""Charts of occurrences over time: kept counts become bars, which the templates draw as SVG. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HEIGHT = 100
BAR = 10
GAP = 2


@dataclass(frozen=True, slots=True)
class Span:
    """A time over which a chart goes: ``bars`` steps of ``step`` each; the last step holds the present."""

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
    """A bar of a chart in its own coordinates, and what it stands for."""

    x: int
    y: int
    height: int
    count: int
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from old to new in a field ``width`` wide and `HEIGHT` high, with what to say about them."""

    bars: list[Bar]
    width: int
    total: int
    peak: int
    ticks: list[str]

    @property
    def sentence(self) -> str:
        """The chart for those who do not see it."""
        if not self.total:
            return "No occurrences."
        peak = max(self.bars, key=lambda bar: bar.count)
        amount = "1 occurrence" if self.total == 1 else f"{self.total:,} occurrences"
        return f"{amount} in all; most in one step: {peak.title}."


def first_step(span: Span, now: datetime) -> datetime:
    """When the first bar of ``span`` begins: whole steps, counted from midnight UTC, the last one around ``now``."""
    return _floor(now, span.step) - (span.bars - 1) * span.step


def chart(counts: Iterable[tuple[datetime, int]], span: Span, now: datetime) -> Chart:
    """The chart of ``counts`` (each at the begin of its hour or day) over ``span`` up to ``now``."""
    start = first_step(span, now)
    totals = [0] * span.bars
    for moment, count in counts:
        place = (moment - start) // span.step
        if 0 <= place < span.bars:
            totals[place] += count
    peak = max(totals)
    bars = [
        Bar(at * (BAR + GAP), HEIGHT - height, height, count, _title(start + at * span.step, span, count))
        for at, count in enumerate(totals)
        for height in [_height(count, peak)]
    ]
    ticks = [_tick(start + span.bars * part // 4 * span.step, span) for part in range(4)]
    return Chart(bars, span.bars * (BAR + GAP) - GAP, sum(totals), peak, [*ticks, "now"])


def sparkline(days: Iterable[tuple[datetime, int]], now: datetime) -> Chart:
    """The chart of the last `SPARK_DAYS` days, one bar a UTC day."""
    return chart(days, Span("spark", "14 days", SPARK_DAYS, timedelta(days=1)), now)


def spark_start(now: datetime) -> datetime:
    """When the first day of a `sparkline` begins."""
    return _floor(now, timedelta(days=1)) - timedelta(days=SPARK_DAYS - 1)


def _floor(moment: datetime, step: timedelta) -> datetime:
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def _height(count: int, peak: int) -> int:
    """Between 0 and `HEIGHT`; what is there at all can be seen."""
    return max(round(HEIGHT * count / peak), 4) if count else 0


def _title(begin: datetime, span: Span, count: int) -> str:
    if span.step >= timedelta(days=1):
        return f"{begin:%a} {begin.day} {begin:%b}: {count}"
    return f"{begin:%a} {begin.day} {begin:%b}, {begin:%H:%M} to {begin + span.step:%H:%M} UTC: {count}"


def _tick(begin: datetime, span: Span) -> str:
    return f"{begin:%H:%M}" if span.step < timedelta(hours=6) else f"{begin.day} {begin:%b}"
