"""The size of each app's data in the database, as counters that are updated together with the rows they count.

``apps.stored_bytes`` is the sum of an app's notices (payload, own class, own message, and `NOTICE_BYTES` for the row
and its index entries), of the backtraces that it sent first, of its problems' facet values (with `VALUE_BYTES` for each
row), and of its problems' hours (`HOUR_BYTES` each). It is approximate: it does not include free space in pages and the
write-ahead log. `used_bytes` adds `PROBLEM_BYTES` for each problem: its row, its part of the search index and its tags.

The hours of the app itself are not included, since nothing removes them: at most one row per hour since 1970, 17 MB.
Nor are its releases, at most 1,000, and the counts per minute, which are kept for as long as somebody waits for a rate.
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
    """Subtract the size of deleted rows, in bytes by app id, from the apps' counters."""
    for app_id, released in by_app.items():
        values = {"stored_bytes": App.stored_bytes - released, "updated_at": App.updated_at}
        statement = update(App).where(App.id == app_id).values(values)
        db.session.execute(statement.execution_options(synchronize_session=False))


def release_problems(problem_ids: Iterable[int]) -> None:
    """Subtract the notices, facet values and hours of problems that are about to be deleted from the apps' counters."""
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
    """Subtract deleted notices, as (problem id, bytes), from the apps' counters. Their problems must still exist."""
    by_problem: Counter[int] = Counter()
    for problem_id, size in deleted:
        by_problem[problem_id] += size
    rows = db.session.execute(select(Problem.id, Problem.app_id).where(Problem.id.in_(by_problem))).all()
    by_app: Counter[int] = Counter()
    for problem_id, app_id in rows:
        by_app[app_id] += by_problem[problem_id]
    release_bytes(by_app)
