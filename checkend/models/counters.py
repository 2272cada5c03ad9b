"""Kept counts: they outlive the notices that retention removes, and make charts and shares cost no scan."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, String, func, select, type_coerce
from sqlalchemy.orm import Mapped, mapped_column

from checkend import clock
from checkend.db.session import Model, UtcDateTime, db

FACETS = ("environment", "revision", "host", "user", "url")
FACET_VALUES = 50
OTHER_VALUES = ""
DAY_MICROS = 86_400_000_000


class ProblemHour(Model):
    """Occurrences of a problem, stored or counted as duplicates, in the hour that begins at ``hour``."""

    __tablename__ = "problem_hours"
    __table_args__ = ({"sqlite_with_rowid": False},)

    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


class AppHour(Model):
    """Occurrences of all problems of an app in the hour that begins at ``hour``."""

    __tablename__ = "app_hours"
    __table_args__ = ({"sqlite_with_rowid": False},)

    app_id: Mapped[int] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


class ProblemFacet(Model):
    """How often a problem came with a value of one of `FACETS`.

    At most `FACET_VALUES` values a problem and name; what comes beyond is counted together under `OTHER_VALUES`.
    """

    __tablename__ = "problem_facets"
    __table_args__ = ({"sqlite_with_rowid": False},)

    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[str] = mapped_column(String(200), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


Counts = list[tuple[datetime, int]]


def hours_of_problem(problem_id: int, since: datetime) -> Counts:
    """The problem's hours from ``since`` on that have occurrences, oldest first."""
    statement = select(ProblemHour.hour, ProblemHour.count).where(
        ProblemHour.problem_id == problem_id, ProblemHour.hour >= since
    )
    return [(hour, count) for hour, count in db.session.execute(statement.order_by(ProblemHour.hour))]


def days_of_problems(problem_ids: Iterable[int], since: datetime) -> dict[int, Counts]:
    """For each of the problems that has any: its occurrences a UTC day from ``since`` on."""
    return _days(ProblemHour.problem_id, ProblemHour.hour, ProblemHour.count, list(problem_ids), since)


def days_of_apps(app_ids: Iterable[int], since: datetime) -> dict[int, Counts]:
    """For each of the apps that has any: its occurrences a UTC day from ``since`` on."""
    return _days(AppHour.app_id, AppHour.hour, AppHour.count, list(app_ids), since)


def have_reported(app_ids: list[int] | None) -> bool:
    """Return whether any of the apps (None: any at all) ever sent a report, also when its problem was deleted since."""
    statement = select(AppHour.app_id) if app_ids is None else select(AppHour.app_id).where(AppHour.app_id.in_(app_ids))
    return db.session.scalar(statement.limit(1)) is not None


def _days(owner: Any, hour: Any, count: Any, owner_ids: list[int], since: datetime) -> dict[int, Counts]:
    day = type_coerce(hour, BigInteger) // DAY_MICROS
    statement = select(owner, day, func.sum(count)).where(owner.in_(owner_ids), hour >= since).group_by(owner, day)
    found: dict[int, Counts] = {}
    for owner_id, number, total in db.session.execute(statement.order_by(owner, day)):
        found.setdefault(owner_id, []).append((clock.from_micros(number * DAY_MICROS), total))
    return found


def facets_of(problem_id: int) -> dict[str, list[tuple[str, int]]]:
    """What the problem came with: for each of `FACETS` that is known, its values with their counts, most first.

    The values beyond `FACET_VALUES`, counted together, stand last, as `OTHER_VALUES`.
    """
    statement = select(ProblemFacet.name, ProblemFacet.value, ProblemFacet.count).filter_by(problem_id=problem_id)
    ordered = statement.order_by(ProblemFacet.value == OTHER_VALUES, ProblemFacet.count.desc(), ProblemFacet.value)
    found: dict[str, list[tuple[str, int]]] = {}
    for name, value, count in db.session.execute(ordered):
        found.setdefault(name, []).append((value, count))
    return {name: found[name] for name in FACETS if name in found}
