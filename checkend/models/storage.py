"""How much of the store each app uses, as counters that are maintained with the rows they count.

``apps.stored_bytes`` is the sum of an app's notices (payload, own class, own message, and `NOTICE_BYTES` for the row
and its index entries), of the backtraces that it sent first, of the values that its problems' reports share
(`VALUE_BYTES` for the row), and of the hours of its problems (`HOUR_BYTES` each). It is approximate: free room in pages
and the write-ahead log are not in it. `used_bytes` adds `PROBLEM_BYTES` for each problem, which stands for its row, its
part of the search index and its tags.

Not in it are the hours of the app itself, since nothing removes them: one row for each hour since 1970 at most, 17 MB.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, cast, func, select, update

from checkend.db.session import db
from checkend.models.app import App
from checkend.models.backtrace import Backtrace
from checkend.models.counters import OTHER_VALUES, ProblemFacet, ProblemHour
from checkend.models.notice import Notice
from checkend.models.problem import Problem

NOTICE_BYTES = 100
VALUE_BYTES = 30
HOUR_BYTES = 35
PROBLEM_BYTES = 10_000


def _octets(column: Any) -> ColumnElement[int]:
    # SQLite's length() of a text counts characters, and only those before the first null character.
    return func.coalesce(func.length(cast(column, LargeBinary)), 0)


notice_bytes: ColumnElement[int] = (
    NOTICE_BYTES + func.length(Notice.payload) + _octets(Notice.own_error_class) + _octets(Notice.own_error_message)
)
backtrace_bytes: ColumnElement[int] = func.length(Backtrace.packed)
value_bytes: ColumnElement[int] = VALUE_BYTES + _octets(ProblemFacet.value)
used_bytes: ColumnElement[int] = App.stored_bytes + App.problems_count * PROBLEM_BYTES


def release_bytes(by_app: "Counter[int]") -> None:
    """Take what was deleted, in bytes by app id, off the apps' counters."""
    for app_id, released in by_app.items():
        values = {"stored_bytes": App.stored_bytes - released, "updated_at": App.updated_at}
        statement = update(App).where(App.id == app_id).values(values)
        db.session.execute(statement.execution_options(synchronize_session=False))


def release_problems(problem_ids: Iterable[int]) -> None:
    """Take the notices, shared values and hours of problems that are about to be deleted off their apps' counters."""
    ids = list(problem_ids)
    notices = select(Problem.app_id, func.sum(notice_bytes)).join(Notice, Notice.problem_id == Problem.id)
    values = select(Problem.app_id, func.sum(value_bytes)).join(ProblemFacet, ProblemFacet.problem_id == Problem.id)
    hours = select(Problem.app_id, func.count() * HOUR_BYTES).join(ProblemHour, ProblemHour.problem_id == Problem.id)
    by_app: Counter[int] = Counter()
    for sums in (notices, values.where(ProblemFacet.value != OTHER_VALUES), hours):
        for app_id, released in db.session.execute(sums.where(Problem.id.in_(ids)).group_by(Problem.app_id)):
            by_app[app_id] += released
    release_bytes(by_app)


def release_deleted(deleted: Iterable[tuple[int, int]]) -> None:
    """Take deleted notices, as (problem id, bytes), off their apps' counters. The problems must still be there."""
    by_problem: Counter[int] = Counter()
    for problem_id, size in deleted:
        by_problem[problem_id] += size
    rows = db.session.execute(select(Problem.id, Problem.app_id).where(Problem.id.in_(by_problem))).all()
    by_app: Counter[int] = Counter()
    for problem_id, app_id in rows:
        by_app[app_id] += by_problem[problem_id]
    release_bytes(by_app)
