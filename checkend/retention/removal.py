"""Steps of removing stored data: each is a short transaction that maintains the counters."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, select

from checkend.db.session import db
from checkend.db.transactions import write_transaction
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
    """The number of removed records; ``freed`` is the number of bytes by which the database file was shortened."""

    notices: int = 0
    backtraces: int = 0
    freed: int = 0
    problems: int = 0
    audit_entries: int = 0

    def __add__(self, other: "CleanupResult") -> "CleanupResult":
        return CleanupResult(
            self.notices + other.notices,
            self.backtraces + other.backtraces,
            self.freed + other.freed,
            self.problems + other.problems,
            self.audit_entries + other.audit_entries,
        )

    def __sub__(self, other: "CleanupResult") -> "CleanupResult":
        return CleanupResult(
            self.notices - other.notices,
            self.backtraces - other.backtraces,
            self.freed - other.freed,
            self.problems - other.problems,
            self.audit_entries - other.audit_entries,
        )

    def __str__(self) -> str:
        return (
            f"{self.notices} notices, {self.problems} problems, {self.backtraces} backtraces and "
            f"{self.audit_entries} audit entries removed, {self.freed} bytes freed"
        )


def remove_notices(condition: ColumnElement[bool]) -> CleanupResult:
    """Remove the notices that meet ``condition``, and the backtraces that no other notice uses, in one transaction."""
    with write_transaction():
        deletion = delete(Notice).where(condition)
        deleted = execute(deletion.returning(Notice.problem_id, Notice.backtrace_id, notice_bytes)).all()
        release_deleted((problem_id, size) for problem_id, _, size in deleted)
        backtraces = _remove_unused({backtrace_id for _, backtrace_id, _ in deleted} - {None})
    return CleanupResult(len(deleted), backtraces)


_has_notices = exists().where(Notice.problem_id == Problem.id)


def find_empty_problems(condition: ColumnElement[bool], limit: int | None = None) -> list[int]:
    """Return the ids of the problems without notices that meet ``condition``, least recently noticed first."""
    empty = select(Problem.id).where(condition, ~_has_notices).order_by(Problem.last_noticed_at, Problem.id)
    return list(db.session.scalars(empty.limit(limit)))


def remove_empty_problems(ids: list[int]) -> CleanupResult:
    """Remove the problems that still have no notices, in one transaction. Reports may have arrived since the search."""
    with write_transaction():
        still_empty = list(db.session.scalars(select(Problem.id).where(Problem.id.in_(ids), ~_has_notices)))
        count = delete_problems(still_empty) if still_empty else 0
    return CleanupResult(problems=count)


def remove_unused_backtraces() -> Iterator[CleanupResult]:
    """Remove the backtraces that no notice uses, which deleted problems leave behind. Yields after each step."""
    after = b""
    while True:
        batch = select(Backtrace.id, Backtrace.digest).where(Backtrace.digest > after)  # reads only the index
        candidates = batch.order_by(Backtrace.digest).limit(BACKTRACE_BATCH_SIZE).subquery()
        is_used = exists().where(Notice.backtrace_id == candidates.c.id)
        statement = select(candidates.c.id, candidates.c.digest, is_used).order_by(candidates.c.digest)
        rows = db.session.execute(statement).all()
        if not rows:
            return
        after = rows[-1].digest
        unused = [row.id for row in rows if not row[2]]
        for start in range(0, len(unused), NOTICE_BATCH_SIZE):
            with write_transaction():
                count = _remove_unused(set(unused[start : start + NOTICE_BATCH_SIZE]))
            yield CleanupResult(backtraces=count)
        db.session.rollback()
        yield CleanupResult()


def remove_unused_tags() -> Iterator[CleanupResult]:
    """Remove the tags that no problem has. Yields after each step.

    Reports may bring any number of new tags, and deleted problems leave them behind. The newest tag stays, so that its
    id is not given to another one.
    """
    after = 0
    is_used = exists().where(ProblemTag.tag_id == Tag.id)
    newest = db.session.scalar(select(func.max(Tag.id))) or 0
    while True:
        candidates = select(Tag.id, is_used).where(Tag.id > after, Tag.id < newest).order_by(Tag.id)
        rows = db.session.execute(candidates.limit(TAG_BATCH_SIZE)).all()
        if not rows:
            return
        after = rows[-1].id
        if unused := [row.id for row in rows if not row[1]]:
            with write_transaction():
                execute(delete(Tag).where(Tag.id.in_(unused), ~is_used))
        db.session.rollback()
        yield CleanupResult()


def _remove_unused(backtrace_ids: set[int]) -> int:
    """Remove those of the backtraces that no notice uses; return how many."""
    if not backtrace_ids:
        return 0
    is_unused = ~exists().where(Notice.backtrace_id == Backtrace.id)
    deletion = delete(Backtrace).where(Backtrace.id.in_(backtrace_ids), is_unused)
    deleted = execute(deletion.returning(Backtrace.app_id, backtrace_bytes)).all()
    bytes_by_app: Counter[int] = Counter()
    for app_id, size in deleted:
        if app_id is not None:
            bytes_by_app[app_id] += size
    release_bytes(bytes_by_app)
    return len(deleted)


def execute(statement: Any) -> Any:
    """Execute a statement that changes rows, without synchronizing objects in the session."""
    return db.session.execute(statement, execution_options={"synchronize_session": False})
