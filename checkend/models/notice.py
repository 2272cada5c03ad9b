"""Notices: the stored reports of a problem."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, Integer, LargeBinary, Select, String, and_, func, or_, select
from sqlalchemy.orm import Mapped, joinedload, load_only, mapped_column, relationship

from checkend.db.compression import decompress
from checkend.db.session import Model, UtcDateTime, created_column, db
from checkend.models.backtrace import Backtrace
from checkend.models.problem import Problem, details_options
from checkend.models.scope import AppScope

ID_SCAN_LIMIT = 1_000


class Notice(Model):
    """One report, stored in full. ``payload`` contains context, request, user and notifier as sent, compressed.

    The class and the message are stored only if they differ from the problem's.
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_problem_id_occurred_at", "problem_id", "occurred_at"),
        {"sqlite_autoincrement": True},  # the id in a response never becomes that of another notice
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
        """The message; None if none was sent."""
        return (self.problem.first_message if self.own_error_message is None else self.own_error_message) or None

    @property
    def updated_at(self) -> datetime:
        """The creation time: a notice never changes."""
        return self.created_at

    @cached_property
    def details(self) -> dict[str, Any]:
        """The parts ``context``, ``request``, ``user`` and ``notifier``; one that was not sent is empty."""
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
        """The backtrace as sent: a list of strings or objects, empty if there was none.

        `checkend.grouping.stacktrace.parse_stacktrace` parses it into frames.
        """
        return [] if self.stored_backtrace is None else self.stored_backtrace.raw


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """A filter for the notices of a problem: bounds on ``occurred_at``, both inclusive."""

    date_from: datetime | None = None
    date_to: datetime | None = None


def find_notices(problem: Problem, filters: NoticeFilter) -> Select[tuple[Notice]]:
    """Select the notices of ``problem`` that match ``filters``, newest first, with their backtraces loaded."""
    statement = _where(select(Notice), problem, filters).options(joinedload(Notice.stored_backtrace))
    return statement.order_by(Notice.occurred_at.desc(), Notice.id.desc())


def count_notices(problem: Problem, filters: NoticeFilter) -> int:
    """Return how many notices `find_notices` selects."""
    return db.session.scalar(_where(select(func.count()).select_from(Notice), problem, filters)) or 0


def latest_notices(problem: Problem, limit: int, before: Notice | None = None) -> list[Notice]:
    """Return up to ``limit`` notices of ``problem``, newest first; with ``before``, only older ones."""
    statement = select(Notice).where(Notice.problem_id == problem.id)
    if before is not None:
        statement = statement.where(_older_than(before))
    statement = statement.options(load_only(*_LIST_COLUMNS)).order_by(Notice.occurred_at.desc(), Notice.id.desc())
    return list(db.session.scalars(statement.limit(limit)))


def latest_notice_id() -> int:
    """Return the id of the notice stored last; 0 if there is none."""
    return db.session.scalar(select(func.max(Notice.id))) or 0


def notices_stored_after(cursor: int, scope: AppScope, limit: int) -> tuple[list[Notice], int]:
    """Return up to ``limit`` notices of the apps in ``scope`` stored after ``cursor``, oldest first, and a new cursor.

    Scans at most `ID_SCAN_LIMIT` ids, so that the cost does not depend on how much is stored; the new cursor may
    therefore be ahead of the last notice returned.
    """
    newest = latest_notice_id()
    first = db.session.scalar(select(func.min(Notice.id)).where(Notice.id > cursor))
    if first is None:
        return [], newest
    last = min(first + ID_SCAN_LIMIT, newest)
    statement = select(Notice).where(Notice.id > cursor, Notice.id <= last).order_by(Notice.id).limit(limit)
    if not scope.is_all:
        statement = scope.narrow(statement.join(Notice.problem), Problem.app_id)
    loaded = joinedload(Notice.problem).options(*details_options())  # type: ignore[arg-type]
    notices = list(db.session.scalars(statement.options(load_only(Notice.problem_id), loaded)))
    return notices, notices[-1].id if len(notices) == limit else last


def adjacent_notice_ids(notice: Notice) -> tuple[int | None, int | None]:
    """Return the ids of the next older and the next newer notice of the same problem."""
    siblings = select(Notice.id).where(Notice.problem_id == notice.problem_id)
    older = siblings.where(_older_than(notice)).order_by(Notice.occurred_at.desc(), Notice.id.desc()).limit(1)
    is_newer = and_(
        Notice.occurred_at >= notice.occurred_at,
        or_(Notice.occurred_at > notice.occurred_at, Notice.id > notice.id),
    )
    newer = siblings.where(is_newer).order_by(Notice.occurred_at, Notice.id).limit(1)
    return db.session.scalar(older), db.session.scalar(newer)


def _older_than(notice: Notice) -> ColumnElement[bool]:
    # The first condition limits the range of the index that is read; the second orders notices of the same time by id.
    return and_(
        Notice.occurred_at <= notice.occurred_at,
        or_(Notice.occurred_at < notice.occurred_at, Notice.id < notice.id),
    )


_LIST_COLUMNS = (
    Notice.problem_id,
    Notice.occurred_at,
    Notice.own_error_class,
    Notice.own_error_message,
    Notice.payload,
)


def _where(statement: Select[Any], problem: Problem, filters: NoticeFilter) -> Select[Any]:
    statement = statement.where(Notice.problem_id == problem.id)
    if filters.date_from is not None:
        statement = statement.where(Notice.occurred_at >= filters.date_from)
    if filters.date_to is not None:
        statement = statement.where(Notice.occurred_at <= filters.date_to)
    return statement
