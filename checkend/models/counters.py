"""Kept counts: they outlive the notices that retention removes, and make charts and shares cost no scan."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from checkend.extensions import Model, UtcDateTime

FACETS = ("environment", "revision", "host", "user", "url")
FACET_VALUES = 50
OTHER_VALUES = ""


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
