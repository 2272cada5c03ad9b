"""Single steps of removing what is stored, each a short transaction that maintains the counters."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, select

from checkend.db.session import db
from checkend.db.transactions import begin_writing, commit
from checkend.models import Backtrace, Notice, Problem
from checkend.models.selection import delete_problems
from checkend.models.storage import backtrace_bytes, notice_bytes, release_bytes, release_deleted
from checkend.models.tag import ProblemTag, Tag

NOTICE_BATCH_SIZE = 100
PROBLEM_BATCH_SIZE = 20
BACKTRACE_BATCH_SIZE = 1000
TAG_BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """What went: ``freed`` are the bytes that the store's file was shortened by."""

    notices: int = 0
    backtraces: int = 0
    freed: int = 0
    problems: int = 0

    def __add__(self, more: "CleanupResult") -> "CleanupResult":
        return CleanupResult(
            self.notices + more.notices,
            self.backtraces + more.backtraces,
            self.freed + more.freed,
            self.problems + more.problems,
        )

    def __sub__(self, less: "CleanupResult") -> "CleanupResult":
        return CleanupResult(
            self.notices - less.notices,
            self.backtraces - less.backtraces,
            self.freed - less.freed,
            self.problems - less.problems,
        )

    def __str__(self) -> str:
        return (
            f"{self.notices} notices, {self.problems} problems and {self.backtraces} backtraces removed, "
            f"{self.freed} bytes given back"
        )


def remove_notices(chosen: ColumnElement[bool]) -> CleanupResult:
    """Remove the notices chosen, a few, and the backtraces that no other notice has, in a transaction of its own."""
    begin_writing()
    deletion = delete(Notice).where(chosen)
    deleted = execute(deletion.returning(Notice.problem_id, Notice.backtrace_id, notice_bytes)).all()
    release_deleted((problem_id, size) for problem_id, _, size in deleted)
    removed = CleanupResult(len(deleted), _remove_unused({backtrace_id for _, backtrace_id, _ in deleted} - {None}))
    commit()
    return removed


_has_notices = exists().where(Notice.problem_id == Problem.id)


def find_empty_problems(chosen: ColumnElement[bool], limit: int | None = None) -> list[int]:
    """Return the ids of the problems chosen that have no notices left, the one not seen for longest first."""
    empty = select(Problem.id).where(chosen, ~_has_notices).order_by(Problem.last_noticed_at, Problem.id)
    return list(db.session.scalars(empty.limit(limit)))


def remove_empty_problems(ids: list[int]) -> CleanupResult:
    """Remove those of the problems, a few, that still have no notices, in a transaction of its own."""
    begin_writing()
    still_empty = list(db.session.scalars(select(Problem.id).where(Problem.id.in_(ids), ~_has_notices)))
    removed = CleanupResult(problems=delete_problems(still_empty) if still_empty else 0)
    commit()
    return removed


def remove_unused_backtraces() -> Iterator[CleanupResult]:
    """Remove the backtraces that no notice has, as deleted problems leave them behind."""
    after = b""
    while True:
        some = select(Backtrace.id, Backtrace.digest).where(Backtrace.digest > after)  # the index alone is read
        some_ids = some.order_by(Backtrace.digest).limit(BACKTRACE_BATCH_SIZE).subquery()
        is_used = exists().where(Notice.backtrace_id == some_ids.c.id)
        rows = db.session.execute(select(some_ids.c.id, some_ids.c.digest, is_used).order_by(some_ids.c.digest)).all()
        if not rows:
            return
        after = rows[-1].digest
        unused = [row.id for row in rows if not row[2]]
        for start in range(0, len(unused), NOTICE_BATCH_SIZE):
            begin_writing()
            removed = CleanupResult(backtraces=_remove_unused(set(unused[start : start + NOTICE_BATCH_SIZE])))
            commit()
            yield removed
        db.session.rollback()
        yield CleanupResult()


def remove_unused_tags() -> Iterator[CleanupResult]:
    """Remove the tags that no problem carries.

    Reports may bring any number of new ones, and deleted problems leave them behind. The newest stays, so
    that its id is not given to another tag.
    """
    after = 0
    is_used = exists().where(ProblemTag.tag_id == Tag.id)
    newest = db.session.scalar(select(func.max(Tag.id))) or 0
    while True:
        looked_at = select(Tag.id, is_used).where(Tag.id > after, Tag.id < newest).order_by(Tag.id)
        rows = db.session.execute(looked_at.limit(TAG_BATCH_SIZE)).all()
        if not rows:
            return
        after = rows[-1].id
        if unused := [row.id for row in rows if not row[1]]:
            begin_writing()
            execute(delete(Tag).where(Tag.id.in_(unused), ~is_used))
            commit()
        db.session.rollback()
        yield CleanupResult()


def _remove_unused(backtrace_ids: set[int]) -> int:
    if not backtrace_ids:
        return 0
    unused = ~exists().where(Notice.backtrace_id == Backtrace.id)
    deletion = delete(Backtrace).where(Backtrace.id.in_(backtrace_ids), unused)
    deleted = execute(deletion.returning(Backtrace.app_id, backtrace_bytes)).all()
    by_app: Counter[int] = Counter()
    for app_id, size in deleted:
        if app_id is not None:
            by_app[app_id] += size
    release_bytes(by_app)
    return len(deleted)


def execute(statement: Any) -> Any:
    """Execute a statement that changes rows, without looking for them in the session."""
    return db.session.execute(statement, execution_options={"synchronize_session": False})
