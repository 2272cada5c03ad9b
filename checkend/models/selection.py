"""Bulk actions on problems, as statements on sets: their cost depends only on the rows that they change.

A `ProblemSelection` chooses the problems by a filter or by ids, within the apps that the user or key may act on.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, insert, literal, select

from checkend.db.session import db
from checkend.db.transactions import write_in_steps
from checkend.models import audit_log
from checkend.models.app import App, adjust_problem_counts
from checkend.models.notice import Notice
from checkend.models.problem import UNRESOLVED, Problem, Status, record_change, set_status
from checkend.models.problem_list import ProblemFilter, where_problems
from checkend.models.scope import AppScope
from checkend.models.storage import notice_bytes, release_deleted, release_problems
from checkend.models.tag import ProblemTag, Tag, normalize_tag_name

DELETE_TIME_LIMIT_SECONDS = 20.0
ID_BATCH_SIZE = 1_000
NOTICE_BATCH_SIZE = 5_000
PROBLEM_BATCH_SIZE = 200
NO_FILTER = ProblemFilter()
_WITHOUT_SYNCHRONIZING = {"synchronize_session": False}  # rows change without a search for them in the session


@dataclass(frozen=True, slots=True)
class ProblemSelection:
    """Problems of the apps in ``scope``: those with ``ids`` or, if that is None, all that match ``filters``."""

    scope: AppScope
    ids: tuple[int, ...] | None = None
    filters: ProblemFilter = NO_FILTER

    @classmethod
    def in_batches(cls, scope: AppScope, ids: Iterable[int]) -> "list[ProblemSelection]":
        """Return selections of any number of ids, each small enough for a statement. Ids no row can have are left out.

        A problem is part of only one of them, however often its id is repeated.
        """
        valid = sorted({number for number in ids if 0 < number < 2**63})
        return [cls(scope, tuple(valid[i : i + ID_BATCH_SIZE])) for i in range(0, len(valid), ID_BATCH_SIZE)]

    def select_ids(self) -> Select[tuple[int]]:
        """Return a statement that selects the ids of the problems."""
        if self.ids is None:
            return where_problems(select(Problem.id), self.scope, self.filters)
        return where_problems(select(Problem.id).where(Problem.id.in_(self.ids)), self.scope, NO_FILTER)

    def count(self) -> int:
        """Return the number of problems."""
        return db.session.scalar(select(func.count()).select_from(self.select_ids().subquery())) or 0


def bulk_set_status(selection: ProblemSelection, status: Status) -> int:
    """Resolve or reopen the problems, and update the counts of their apps. Return how many were changed."""
    return set_status(Problem.id.in_(selection.select_ids()), status)


def bulk_tag(selection: ProblemSelection, name: str) -> int:
    """Add the tag with this name to the problems. Return how many did not have it.

    Raise `DomainError` for an invalid name.
    """
    tag = Tag.named(name)
    tagged = select(ProblemTag.problem_id).where(ProblemTag.tag_id == tag.id)
    changing = [Problem.id.in_(selection.select_ids()), Problem.id.not_in(tagged)]
    record_change("problem.tagged", changing, tag=tag.name)
    rows = select(Problem.id, literal(tag.id)).where(*changing)
    added = _execute(insert(ProblemTag).from_select(["problem_id", "tag_id"], rows))
    db.session.expire_all()
    return added


def bulk_untag(selection: ProblemSelection, name: str) -> int:
    """Remove the tag with this name from the problems. Return how many had it."""
    tag_id = db.session.scalar(select(Tag.id).where(Tag.name == normalize_tag_name(name)))
    if tag_id is None:
        return 0
    tagged = select(ProblemTag.problem_id).where(ProblemTag.tag_id == tag_id)
    changing = [Problem.id.in_(selection.select_ids()), Problem.id.in_(tagged)]
    record_change("problem.untagged", changing, tag=normalize_tag_name(name))
    selected = ProblemTag.problem_id.in_(selection.select_ids())
    removed = _execute(delete(ProblemTag).where(ProblemTag.tag_id == tag_id, selected))
    db.session.expire_all()
    return removed


def delete_in_batches(selection: ProblemSelection) -> Iterator[int]:
    """Delete the problems with their notices and counters; yield the number of problems that each step deleted.

    Run it with `write_in_steps`, so that other writers get their turn after each step. Stopping early leaves a
    consistent database: the remaining problems are complete, except that one may have lost its oldest notices. Each
    step that deletes problems has an audit entry.
    """
    yield from _delete_in_batches(selection, audited=True)


def _delete_in_batches(selection: ProblemSelection, *, audited: bool) -> Iterator[int]:
    for ids in _deletion_batches(selection):
        for problem_id in ids:
            while _delete_oldest_notices(problem_id):
                yield 0
        if audited:
            record_change("problem.deleted", [Problem.id.in_(ids)])
        yield delete_problems(ids)


def delete_with_time_limit(selection: ProblemSelection) -> tuple[int, int]:
    """Delete the problems in transactions of its own, for about `DELETE_TIME_LIMIT_SECONDS`.

    Return how many were deleted and how many remain.
    """
    started, deleted = time.monotonic(), 0
    for count in write_in_steps(delete_in_batches(selection)):
        deleted += count
        if time.monotonic() - started > DELETE_TIME_LIMIT_SECONDS:
            break
    return deleted, selection.count()


def delete_app_in_batches(app: App) -> Iterator[None]:
    """Delete ``app`` with all its problems and counters. Run it with `write_in_steps`, as `delete_in_batches`."""
    app_id, label = app.id, app.label
    for _ in _delete_in_batches(ProblemSelection(AppScope.of([app_id])), audited=False):
        yield
    _execute(delete(App).where(App.id == app_id))
    db.session.expire_all()
    audit_log.record("app.deleted", label)
    yield


def _deletion_batches(selection: ProblemSelection) -> list[list[int]]:
    """Return the ids in batches of at most `PROBLEM_BATCH_SIZE` problems and, if possible, `NOTICE_BATCH_SIZE` notices.

    A problem with more notices than that is a batch of its own.
    """
    statement = select(Problem.id, Problem.notices_count).where(Problem.id.in_(selection.select_ids()))
    batches: list[list[int]] = [[]]
    notices = 0
    for problem_id, count in db.session.execute(statement.order_by(Problem.id)).all():
        if batches[-1] and (notices + count > NOTICE_BATCH_SIZE or len(batches[-1]) == PROBLEM_BATCH_SIZE):
            batches.append([])
            notices = 0
        batches[-1].append(problem_id)
        notices += count
    return batches if batches[-1] else []


def _delete_oldest_notices(problem_id: int) -> int:
    """Delete the oldest `NOTICE_BATCH_SIZE` notices of a problem that has more; return 0 if it does not."""
    oldest = select(Notice.id).where(Notice.problem_id == problem_id).order_by(Notice.occurred_at, Notice.id)
    if db.session.scalar(oldest.offset(NOTICE_BATCH_SIZE).limit(1)) is None:
        return 0
    statement = delete(Notice).where(Notice.id.in_(oldest.limit(NOTICE_BATCH_SIZE)))
    deleted = db.session.execute(
        statement.returning(Notice.problem_id, notice_bytes), execution_options=_WITHOUT_SYNCHRONIZING
    ).all()
    release_deleted((problem_id, size) for problem_id, size in deleted)
    return len(deleted)


def delete_problems(ids: list[int]) -> int:
    """Delete the problems with their notices and counters; return how many there were."""
    selected = Problem.id.in_(ids)
    counts = select(Problem.app_id, Problem.status, func.count(), func.count(Problem.muted_at)).where(selected)
    by_app = db.session.execute(counts.group_by(Problem.app_id, Problem.status)).all()
    release_problems(ids)
    _execute(delete(Problem).where(selected))
    for app_id, status, count, muted in by_app:
        adjust_problem_counts(app_id, problems=-count, unresolved=-count if status == UNRESOLVED else 0, muted=-muted)
    db.session.expire_all()
    return sum(count for _, _, count, _ in by_app)


def _execute(statement: Any) -> int:
    """Execute a statement without updating objects in the session; return the number of rows that it changed."""
    result: Any = db.session.execute(statement, execution_options=_WITHOUT_SYNCHRONIZING)
    return int(result.rowcount)
