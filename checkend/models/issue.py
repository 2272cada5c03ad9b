"""Issues of trackers such as GitHub, linked from the problems that they are about."""

import secrets
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from checkend.db.session import Model, created_column, db
from checkend.models.channel import Channel
from checkend.models.problem import Problem


class ProblemIssue(Model):
    """The issue of a problem at a channel's tracker.

    The row is committed before the issue is created, so that its ``marker``, which nobody can guess, finds the issue
    when the outcome is unknown. ``number`` and ``url`` are set as soon as the issue is known. ``url`` comes from the
    tracker; it is http or https, or "".
    """

    __tablename__ = "problem_issues"
    __table_args__ = ({"sqlite_with_rowid": False},)

    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"), primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True, index=True)
    marker: Mapped[str] = mapped_column(String(40), default=lambda: secrets.token_hex(16))
    number: Mapped[int | None] = mapped_column(Integer)
    url: Mapped[str] = mapped_column(String, default="")
    created_at: Mapped[datetime] = created_column()

    channel: Mapped[Channel] = relationship()

    @classmethod
    def of_problem(cls, problem_id: int) -> list["ProblemIssue"]:
        """Return the problem's issues that exist and have a URL, in the order of their channels."""
        known = (cls.problem_id == problem_id, cls.number.is_not(None), cls.url != "")
        return list(db.session.scalars(select(cls).where(*known).order_by(cls.channel_id)))

    @classmethod
    def prepare(cls, problem_id: int, channel_id: int) -> "ProblemIssue":
        """Return the row for a problem and a channel, and add it if there is none."""
        row = db.session.get(cls, (problem_id, channel_id))
        if row is None:
            row = cls(problem_id=problem_id, channel_id=channel_id)
            db.session.add(row)
            db.session.flush()
        return row

    @classmethod
    def link(cls, problem_ids: Collection[int], channel_id: int, number: int, url: str) -> None:
        """Note the issue of a problem; or that of several, except those that have one of their own."""
        existing = set(db.session.scalars(select(Problem.id).where(Problem.id.in_(problem_ids))))
        statement = select(cls).where(cls.channel_id == channel_id, cls.problem_id.in_(existing))
        rows = {row.problem_id: row for row in db.session.scalars(statement)}
        for problem_id in existing - rows.keys():
            rows[problem_id] = cls(problem_id=problem_id, channel_id=channel_id)
            db.session.add(rows[problem_id])
        for row in rows.values():
            if row.number is None or len(problem_ids) == 1:
                row.number, row.url = number, url
