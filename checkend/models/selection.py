"""Actions on many problems at once, by statements on sets: their cost is that of the rows they change.

The problems are chosen by a `ProblemSelection`: a filter, or ids, within the apps that the asker may act on.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, insert, literal, select, update

from checkend import clock
from checkend.db.session import db
from checkend.db.transactions import write_in_steps
from checkend.models import audit_log
from checkend.models.app import App, adjust_problem_counts
from checkend.models.notice import Notice
from checkend.models.problem import RESOLVED, UNRESOLVED, Problem, ProblemFilter, Status, where_problems
from checkend.models.storage import notice_bytes, release_deleted, release_problems
from checkend.models.tag import ProblemTag, Tag, normalize_tag_name

NOTICE_BATCH_SIZE = 5_000
PROBLEM_BATCH_SIZE = 200
NO_FILTER = ProblemFilter()
_WITHOUT_SYNCHRONIZING = {"synchronize_session": False}  # rows are changed without looking for them in the session


@dataclass(frozen=True, slots=True)
class ProblemSelection:
    """Problems of the apps (None: of all): those with ``ids``, or where that is None all that ``wanted`` finds."""

    app_ids: list[int] | None
    ids: tuple[int, ...] | None = None
    wanted: ProblemFilter = NO_FILTER

    def select_ids(self) -> Select[tuple[int]]:
        """A statement for the ids of the chosen problems."""
        statement = where_problems(
            select(Problem.id), self.app_ids, self.wanted if self.ids is None else ProblemFilter()
        )
        return statement if self.ids is None else statement.where(Problem.id.in_(self.ids))

    def count(self) -> int:
        """How many problems are chosen."""
        return db.session.scalar(select(func.count()).select_from(self.select_ids().subquery())) or 0


def bulk_set_status(choice: ProblemSelection, status: Status) -> int:
    """Resolve or reopen the chosen problems, and keep their apps' counts. Returns how many were changed."""
    chosen = [Problem.id.in_(choice.select_ids()), Problem.status != status]
    by_app = db.session.execute(select(Problem.app_id, func.count()).where(*chosen).group_by(Problem.app_id)).all()
    now = clock.now()
    _run(
        update(Problem)
        .where(*chosen)
        .values(status=status, resolved_at=now if status == RESOLVED else None, updated_at=now)
    )
    for app_id, count in by_app:
        adjust_problem_counts(app_id, more_unresolved=-count if status == RESOLVED else count)
    db.session.expire_all()
    return sum(count for _, count in by_app)


def bulk_tag(choice: ProblemSelection, name: str) -> int:
    """Put the tag called ``name`` on the chosen problems. Returns how many did not have it.

    Raises `DomainError` for a name that no tag may have.
    """
    tag = Tag.named(name)
    has_it = select(ProblemTag.problem_id).where(ProblemTag.tag_id == tag.id)
    rows = select(Problem.id, literal(tag.id)).where(Problem.id.in_(choice.select_ids()), Problem.id.not_in(has_it))
    added = _run(insert(ProblemTag).from_select(["problem_id", "tag_id"], rows))
    db.session.expire_all()
    return added


def bulk_untag(choice: ProblemSelection, name: str) -> int:
    """Take the tag called ``name`` off the chosen problems. Returns how many had it."""
    tag_id = db.session.scalar(select(Tag.id).where(Tag.name == normalize_tag_name(name)))
    if tag_id is None:
        return 0
    mine = ProblemTag.problem_id.in_(choice.select_ids())
    removed = _run(delete(ProblemTag).where(ProblemTag.tag_id == tag_id, mine))
    db.session.expire_all()
    return removed


def delete_in_batches(choice: ProblemSelection) -> Iterator[int]:
    """Remove the chosen problems with their notices and counts; yields how many problems each step removed.

    The caller commits after every step, so that other writers get their turn and one who stops early leaves a
    store that is right: problems not reached yet, at most one of them with its oldest notices gone.
    """
    for ids in _batches(choice):
        for problem_id in ids:
            while _delete_notices(problem_id):
                yield 0
        yield delete_problems(ids)


def delete_app_in_batches(app: App) -> Iterator[None]:
    """Remove ``app`` with all its problems and counts; the caller commits after every step, as above."""
    app_id, label = app.id, app.label
    for _ in delete_in_batches(ProblemSelection([app_id])):
        yield
    _run(delete(App).where(App.id == app_id))
    db.session.expire_all()
    audit_log.record("app.deleted", label)
    yield


def _batches(choice: ProblemSelection) -> list[list[int]]:
    """The chosen ids in portions of few problems and not too many notices."""
    chosen = select(Problem.id, Problem.notices_count).where(Problem.id.in_(choice.select_ids())).order_by(Problem.id)
    portions: list[list[int]] = [[]]
    notices = 0
    for problem_id, count in db.session.execute(chosen).all():
        if portions[-1] and (notices + count > NOTICE_BATCH_SIZE or len(portions[-1]) == PROBLEM_BATCH_SIZE):
            portions.append([])
            notices = 0
        portions[-1].append(problem_id)
        notices += count
    return portions if portions[-1] else []


def _delete_notices(problem_id: int) -> int:
    """Remove the oldest notices of a problem that has more than one step takes; 0 when the rest fits into one."""
    oldest = select(Notice.id).where(Notice.problem_id == problem_id).order_by(Notice.occurred_at, Notice.id)
    if db.session.scalar(oldest.offset(NOTICE_BATCH_SIZE).limit(1)) is None:
        return 0
    chosen = delete(Notice).where(Notice.id.in_(oldest.limit(NOTICE_BATCH_SIZE)))
    deleted = db.session.execute(
        chosen.returning(Notice.problem_id, notice_bytes), execution_options=_WITHOUT_SYNCHRONIZING
    ).all()
    release_deleted((problem_id, size) for problem_id, size in deleted)
    return len(deleted)


def delete_problems(ids: list[int]) -> int:
    """Remove the problems with their notices and counts; returns how many there were."""
    mine = Problem.id.in_(ids)
    counts = select(Problem.app_id, Problem.status, func.count()).where(mine).group_by(Problem.app_id, Problem.status)
    by_app = db.session.execute(counts).all()
    release_problems(ids)
    _run(delete(Problem).where(mine))
    for app_id, status, count in by_app:
        adjust_problem_counts(app_id, more=-count, more_unresolved=-count if status == UNRESOLVED else 0)
    db.session.expire_all()
    return sum(count for _, _, count in by_app)


def _run(statement: Any) -> int:
    """Run a statement that changes rows without looking for them in the session; returns how many."""
    result: Any = db.session.execute(statement, execution_options=_WITHOUT_SYNCHRONIZING)
    return int(result.rowcount)


DELETE_TIME_LIMIT_SECONDS = 20.0  # seconds


def delete_with_time_limit(choice: ProblemSelection) -> tuple[int, int]:
    """Delete the chosen problems, each step committed, for `DELETE_TIME_LIMIT_SECONDS` at most: how many went, how many
    are left.
    """
    started, deleted = time.monotonic(), 0
    for count in write_in_steps(delete_in_batches(choice)):
        deleted += count
        if time.monotonic() - started > DELETE_TIME_LIMIT_SECONDS:
            break
    return deleted, choice.count()
