"""Charts: every count is in the right bar, and every bar is visible."""

from datetime import UTC, datetime, timedelta

import pytest

from checkend.web.presenters.charts import HEIGHT, SPANS, chart, first_step, spark_start, sparkline

NOW = datetime(2026, 3, 10, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "start"),
    [
        ("24h", datetime(2026, 3, 9, 14, tzinfo=UTC)),
        ("14d", datetime(2026, 2, 24, 18, tzinfo=UTC)),
        ("90d", datetime(2025, 12, 11, tzinfo=UTC)),
    ],
)
def test_a_chart_begins_with_a_whole_step_and_ends_with_the_present_one(key: str, start: datetime) -> None:
    span = SPANS[key]
    assert first_step(span, NOW) == start
    assert start + (span.bars - 1) * span.step <= NOW < start + span.bars * span.step


def test_counts_are_added_up_in_their_steps_and_those_outside_left_out() -> None:
    counts = [(NOW - timedelta(hours=30), 7), (NOW - timedelta(hours=1), 2), (NOW.replace(minute=0), 3), (NOW, 4)]
    drawn = chart(counts, SPANS["24h"], NOW)
    assert [bar.count for bar in drawn.bars][-3:] == [0, 2, 7]
    assert (drawn.total, drawn.peak, len(drawn.bars)) == (9, 7, 24)
    assert drawn.bars[-1].height == HEIGHT
    assert drawn.bars[-1].title == "Tue 10 Mar, 13:00 to 14:00 UTC: 7"


def test_the_smallest_count_is_visible() -> None:
    drawn = chart([(NOW, 1_000_000), (NOW - timedelta(hours=1), 1)], SPANS["24h"], NOW)
    assert drawn.bars[-2].height > 0
    assert drawn.bars[-3].height == 0


def test_an_empty_chart_says_so() -> None:
    assert chart([], SPANS["14d"], NOW).description == "No occurrences."


def test_a_sparkline_has_a_bar_for_each_of_fourteen_days() -> None:
    start = spark_start(NOW)
    drawn = sparkline([(start, 5), (NOW.replace(hour=0, minute=0), 1)], NOW)
    assert [bar.count for bar in drawn.bars] == [5, *[0] * 12, 1]
