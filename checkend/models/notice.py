"""A single stored report of a problem."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, Integer, LargeBinary, Select, String, and_, func, or_, select
from sqlalchemy.orm import Mapped, joinedload, load_only, mapped_column, relationship

from checkend.db.compression import decompress
from checkend.db.session import Model, UtcDateTime, created_column, db
from checkend.models.backtrace import Backtrace
from checkend.models.problem import Problem

ID_SCAN_LIMIT = 1_000


class Notice(Model):
    """One occurrence, stored whole. ``payload`` packs context, request, user and notifier as they were sent.

    The class and the message are kept only where they differ from the problem's.
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_problem_id_occurred_at", "problem_id", "occurred_at"),
        {"sqlite_autoincrement": True},  # an id that was answered never names another notice
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"))
    backtrace_id: Mapped[int | None] = mapped_column(ForeignKey("backtraces.id"), index=True)
    own_error_class: Mapped[str | None] = mapped_column(String)
    own_error_message: Mapped[str | None] = mapped_column(String)
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = created_column()
    payload: Mapped[bytes] = mapped_column(LargeBinary)

    problem: Mapped[Problem] = relationship(back_populates="notices")
    stored_backtrace: Mapped[Backtrace | None] = relationship()

    @property
    def error_class(self) -> str:
        return self.problem.error_class if self.own_error_class is None else self.own_error_class

    @property
    def error_message(self) -> str | None:
        """The message; None when none was sent."""
        return (self.problem.first_message if self.own_error_message is None else self.own_error_message) or None

    @property
    def updated_at(self) -> datetime:
        """A notice is never changed."""
        return self.created_at

    @cached_property
    def details(self) -> dict[str, Any]:
        """``context``, ``request``, ``user`` and ``notifier``, each an object; an absent one is empty."""
        stored = decompress(self.payload)
        return {part: stored.get(part) or {} for part in ("context", "request", "user", "notifier")}

    @property
    def context(self) -> dict[str, Any]:
        return self._part("context")

    @property
    def request(self) -> dict[str, Any]:
        return self._part("request")

    @property
    def user_info(self) -> dict[str, Any]:
        return self._part("user")

    @property
    def notifier(self) -> dict[str, Any]:
        return self._part("notifier")

    def _part(self, name: str) -> dict[str, Any]:
        part: dict[str, Any] = self.details[name]
        return part

    @property
    def raw_backtrace(self) -> Any:
        """The backtrace as it was sent: a list of strings or objects, empty when there was none.

        `checkend.grouping.stacktrace.parse_stacktrace` makes frames of it.
        """
        return [] if self.stored_backtrace is None else self.stored_backtrace.raw


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """Which notices of a problem: bounds on ``occurred_at``, both inclusive."""

    date_from: datetime | None = None
    date_to: datetime | None = None


def notices_of(problem: Problem, wanted: NoticeFilter) -> Select[tuple[Notice]]:
    """The notices of ``problem`` that ``wanted`` asks for, newest first, with their backtraces loaded."""
    statement = _where(select(Notice), problem, wanted).options(joinedload(Notice.stored_backtrace))
    return statement.order_by(Notice.occurred_at.desc(), Notice.id.desc())


def count_notices(problem: Problem, wanted: NoticeFilter) -> int:
    """How many `notices_of` finds in all."""
    return db.session.scalar(_where(select(func.count()).select_from(Notice), problem, wanted)) or 0


def latest_notices(problem: Problem, limit: int, before: Notice | None = None) -> list[Notice]:
    """Up to ``limit`` notices of ``problem``, newest first; those older than ``before`` where that is given."""
    statement = select(Notice).where(Notice.problem_id == problem.id)
    if before is not None:
        statement = statement.where(_older_than(before))
    statement = statement.options(load_only(*_LIST_COLUMNS)).order_by(Notice.occurred_at.desc(), Notice.id.desc())
    return list(db.session.scalars(statement.limit(limit)))


def latest_notice_id() -> int:
    """The id of the notice stored last; 0 where there is none."""
    return db.session.scalar(select(func.max(Notice.id))) or 0


def notices_stored_after(cursor: int, app_id: int | None, limit: int) -> tuple[list[Notice], int]:
    """Up to ``limit`` notices of the app (None: of all) stored after the one with the id ``cursor``, oldest first.

    Looks at `ID_SCAN_LIMIT` ids from the first one on, whatever is stored. With them the cursor to go on from.
    """
    newest = latest_notice_id()
    first = db.session.scalar(select(func.min(Notice.id)).where(Notice.id > cursor))
    if first is None:
        return [], newest
    last = min(first + ID_SCAN_LIMIT, newest)
    statement = select(Notice).where(Notice.id > cursor, Notice.id <= last).order_by(Notice.id).limit(limit)
    if app_id is not None:
        statement = statement.join(Notice.problem).where(Problem.app_id == app_id)
    loaded = joinedload(Notice.problem).selectinload(Problem.tags)
    found = list(db.session.scalars(statement.options(load_only(Notice.problem_id), loaded)))
    return found, found[-1].id if len(found) == limit else last


def adjacent_notice_ids(notice: Notice) -> tuple[int | None, int | None]:
    """The ids of the notices of the same problem next to ``notice``: the older and the newer one."""
    mine = select(Notice.id).where(Notice.problem_id == notice.problem_id)
    older = mine.where(_older_than(notice)).order_by(Notice.occurred_at.desc(), Notice.id.desc()).limit(1)
    moment, number = notice.occurred_at, notice.id
    is_newer = and_(Notice.occurred_at >= moment, or_(Notice.occurred_at > moment, Notice.id > number))
    newer = mine.where(is_newer).order_by(Notice.occurred_at, Notice.id).limit(1)
    return db.session.scalar(older), db.session.scalar(newer)


def _older_than(notice: Notice) -> ColumnElement[bool]:
    # The first condition bounds the range of the index; the second keeps those of the same moment apart.
    moment, number = notice.occurred_at, notice.id
    return and_(Notice.occurred_at <= moment, or_(Notice.occurred_at < moment, Notice.id < number))


_LIST_COLUMNS = (
    Notice.problem_id,
    Notice.occurred_at,
    Notice.own_error_class,
    Notice.own_error_message,
    Notice.payload,
)


def _where(statement: Select[Any], problem: Problem, wanted: NoticeFilter) -> Select[Any]:
    statement = statement.where(Notice.problem_id == problem.id)
    if wanted.date_from is not None:
        statement = statement.where(Notice.occurred_at >= wanted.date_from)
    if wanted.date_to is not None:
        statement = statement.where(Notice.occurred_at <= wanted.date_to)
    return statement
