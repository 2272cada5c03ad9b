"""Counters for charts and facets: they outlive the notices that retention removes, and need no scan of notices."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, String, func, select, type_coerce
from sqlalchemy.orm import Mapped, mapped_column

from checkend import clock
from checkend.db.session import Model, UtcDateTime, db
from checkend.models.scope import AppScope

FACETS = ("environment", "revision", "host", "user", "url")
FACET_VALUES = 50
OTHER_VALUES = ""
DAY_MICROS = 86_400_000_000
MINUTE = 60_000_000  # µs

# The number of reports in problem_minutes since the time ``:since`` in µs, and the condition for their rows. Of the
# minute in which the period begins, only the share that lies in it counts.
REPORTS_SINCE = f"CAST(round(total(count * min(1.0, (minute + {MINUTE} - :since) / {MINUTE}.0))) AS INTEGER)"
MINUTE_SINCE = f"minute > :since - {MINUTE}"


class ProblemHour(Model):
    """The number of occurrences of a problem, duplicates included, in the hour that begins at ``hour``."""

    __tablename__ = "problem_hours"
    __table_args__ = ({"sqlite_with_rowid": False},)

    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


class ProblemMinute(Model):
    """The number of reports of a problem that arrived in the minute that begins at ``minute``, duplicates included.

    Kept only while a rate is watched: problems of an app with a channel that is notified of spikes, and
    problems that are muted until they occur often enough.
    """

    __tablename__ = "problem_minutes"
    __table_args__ = ({"sqlite_with_rowid": False},)

    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"), primary_key=True)
    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


class AppRelease(Model):
    """A release that an app sent a report from, and when it first did."""

    __tablename__ = "app_releases"
    __table_args__ = ({"sqlite_with_rowid": False},)

    app_id: Mapped[int] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AppHour(Model):
    """The number of occurrences of all problems of an app in the hour that begins at ``hour``."""

    __tablename__ = "app_hours"
    __table_args__ = ({"sqlite_with_rowid": False},)

    app_id: Mapped[int] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


class ProblemFacet(Model):
    """Number of times that a problem was reported with a value of one of `FACETS`.

    At most `FACET_VALUES` values per problem and facet; further values are counted together as `OTHER_VALUES`.
    """

    __tablename__ = "problem_facets"
    __table_args__ = ({"sqlite_with_rowid": False},)

    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[str] = mapped_column(String(200), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


Counts = list[tuple[datetime, int]]


def hours_of_problem(problem_id: int, since: datetime) -> Counts:
    """Return the problem's occurrences per hour from ``since`` on, oldest first; hours without any are left out."""
    statement = select(ProblemHour.hour, ProblemHour.count).where(
        ProblemHour.problem_id == problem_id, ProblemHour.hour >= since
    )
    return [(hour, count) for hour, count in db.session.execute(statement.order_by(ProblemHour.hour))]


def days_of_problems(problem_ids: Iterable[int], since: datetime) -> dict[int, Counts]:
    """Return the occurrences per UTC day from ``since`` on, by problem id; problems without any are left out."""
    return _days(ProblemHour.problem_id, ProblemHour.hour, ProblemHour.count, list(problem_ids), since)


def days_of_apps(app_ids: Iterable[int], since: datetime) -> dict[int, Counts]:
    """Return the occurrences per UTC day from ``since`` on, by app id; apps without any are left out."""
    return _days(AppHour.app_id, AppHour.hour, AppHour.count, list(app_ids), since)


def have_reported(scope: AppScope) -> bool:
    """Return whether any of the apps ever sent a report, even if its problem was deleted since."""
    statement = scope.narrow(select(AppHour.app_id), AppHour.app_id)
    return db.session.scalar(statement.limit(1)) is not None


def _days(owner: Any, hour: Any, count: Any, owner_ids: list[int], since: datetime) -> dict[int, Counts]:
    day = type_coerce(hour, BigInteger) // DAY_MICROS
    statement = select(owner, day, func.sum(count)).where(owner.in_(owner_ids), hour >= since).group_by(owner, day)
    counts: dict[int, Counts] = {}
    for owner_id, number, total in db.session.execute(statement.order_by(owner, day)):
        counts.setdefault(owner_id, []).append((clock.from_micros(number * DAY_MICROS), total))
    return counts


def facets_of(problem_id: int) -> dict[str, list[tuple[str, int]]]:
    """Return the values of each facet of the problem with their counts, the most frequent first.

    Facets without values are left out. `OTHER_VALUES`, which counts the values beyond `FACET_VALUES`, comes last.
    """
    statement = select(ProblemFacet.name, ProblemFacet.value, ProblemFacet.count).filter_by(problem_id=problem_id)
    ordered = statement.order_by(ProblemFacet.value == OTHER_VALUES, ProblemFacet.count.desc(), ProblemFacet.value)
    values: dict[str, list[tuple[str, int]]] = {}
    for name, value, count in db.session.execute(ordered):
        values.setdefault(name, []).append((value, count))
    return {name: values[name] for name in FACETS if name in values}
