"""What is old goes, and the disk gets it back.

A notice goes when it is older than its app's days, or when its problem has more than the app's number of newer ones.
Counts, charts and shares are kept apart from notices, and stay with the problem. A problem goes when it has no notices
left and is resolved, or was not seen for the days of RETENTION_PROBLEM_DAYS. All is done in short transactions with
pauses between them, so that reports hardly notice; each finds its rows by an index.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, not_, or_, select

from checkend import clock
from checkend.db.session import db
from checkend.db.vacuum import release_free_pages
from checkend.models import App, Notice, Problem
from checkend.models.problem import RESOLVED
from checkend.retention.clock_guard import NOTHING_AGED, TOLERANCE, AgeGuard, Boundary
from checkend.retention.removal import (
    NOTICE_BATCH_SIZE,
    PROBLEM_BATCH_SIZE,
    CleanupResult,
    find_empty_problems,
    remove_empty_problems,
    remove_notices,
    remove_unused_backtraces,
    remove_unused_tags,
)
from checkend.retention.size_limits import shrink_apps, shrink_database

PROBLEM_SCAN_BATCH_SIZE = 200


class RetentionLimits(NamedTuple):
    """How many days notices stay, how many of the newest of a problem, and how many days problems; 0 for no limit."""

    days: int
    notices: int
    problem_days: int = 0


def retention_limits(config: dict[str, Any]) -> RetentionLimits:
    """The limits that the settings ask for; an app's own go over them."""
    return RetentionLimits(config["RETENTION_DAYS"], config["RETENTION_NOTICES"], config["RETENTION_PROBLEM_DAYS"])


def clean_up(
    default: RetentionLimits,
    cap: int = 0,
    app_cap: int = 0,
    *,
    sweep: bool = True,
    keep_pages: int = 0,
    guard: AgeGuard | None = None,
) -> Iterator[CleanupResult]:
    """Remove what is overdue, then the oldest while an app is near ``app_cap`` bytes, or the store near ``cap``.

    Then the room is given back. Yields what each step removed, committed, and often nothing: the caller pauses there.
    ``sweep`` looks for backtraces that lost their notices in other ways too, and tags that lost their problems, which
    takes a look at each. ``guard``
    limits what is removed by age, and tells afterwards whether it did. Needs an app context.
    """
    guard = guard or AgeGuard()
    for app_id, limits in _limits_by_app(default).items():
        for overdue, days in _expired(app_id, limits, guard):
            yield from _remove_aged(overdue, days, guard) if days else _remove_where(overdue)
        yield from _remove_problems(app_id, limits, guard)
    yield from shrink_apps(app_cap)
    yield from shrink_database(cap)
    if sweep:
        yield from remove_unused_backtraces()
        yield from remove_unused_tags()
    for freed in release_free_pages(keep_pages):
        yield CleanupResult(freed=freed)


def count_expired(default: RetentionLimits) -> dict[int, int]:
    """How many notices of each app `clean_up` would find overdue now; apps without any are left out."""
    counts: dict[int, int] = {}
    guard = AgeGuard()
    for app_id, limits in _limits_by_app(default).items():
        for overdue, _ in _expired(app_id, limits, guard):
            found = db.session.scalar(select(func.count()).select_from(Notice).where(overdue)) or 0
            counts[app_id] = counts.get(app_id, 0) + found
    return {app_id: count for app_id, count in counts.items() if count}


def _limits_by_app(default: RetentionLimits) -> dict[int, RetentionLimits]:
    rows = db.session.execute(select(App.id, App.retention_days, App.retention_notices).order_by(App.id)).all()
    return {
        app_id: RetentionLimits(
            default.days if days is None else days,
            default.notices if notices is None else notices,
            default.problem_days,
        )
        for app_id, days, notices in rows
    }


def _expired(app_id: int, limits: RetentionLimits, guard: AgeGuard) -> Iterator[tuple[ColumnElement[bool], int]]:
    """Conditions on notices that together find all that is overdue in the app, none of them twice.

    Each with the days after which the notices are overdue, 0 where they are overdue by their number.
    """
    if not (limits.days or limits.notices):
        return
    boundary = guard.boundary(limits.days) if limits.days else NOTHING_AGED
    for rows in _problem_batches(app_id, limits, boundary):
        if aged := [problem_id for problem_id, is_aged, _ in rows if is_aged]:
            yield and_(Notice.problem_id.in_(aged), _is_older_than(boundary)), limits.days
        for problem_id in (problem_id for problem_id, _, has_more in rows if has_more):
            beyond = _beyond_newest(problem_id, limits.notices)
            if beyond is not None:
                yield and_(beyond, not_(_is_older_than(boundary))), 0


def _problem_batches(
    app_id: int, limits: RetentionLimits, boundary: Boundary
) -> Iterator[list[tuple[int, bool, bool]]]:
    """Some of the app's problems at a time, each with whether it has aged notices, and whether more than it may keep.

    They come in the order of their fingerprints, which never change, by the index that holds those.
    """
    after = ""
    while True:
        some = (
            select(Problem.id, Problem.fingerprint)
            .where(Problem.app_id == app_id, Problem.fingerprint > after)
            .order_by(Problem.fingerprint)
            .limit(PROBLEM_SCAN_BATCH_SIZE)
            .subquery()
        )
        of_it = select(Notice.id).where(Notice.problem_id == some.c.id)
        newest_first = of_it.order_by(Notice.occurred_at.desc(), Notice.id.desc())
        rows = db.session.execute(
            select(
                some.c.id,
                some.c.fingerprint,
                of_it.where(_is_older_than(boundary)).limit(1).scalar_subquery(),
                newest_first.offset(limits.notices).limit(1).scalar_subquery(),
            ).order_by(some.c.fingerprint)
        ).all()
        if not rows:
            return
        after = rows[-1].fingerprint
        yield [(row[0], row[2] is not None, bool(limits.notices) and row[3] is not None) for row in rows]


def _is_older_than(boundary: Boundary) -> ColumnElement[bool]:
    """Of before the cutoff, and received before it too: what was answered 201 stays, whatever a clock says or said."""
    cutoff = boundary.cutoff
    return and_(Notice.occurred_at < cutoff, Notice.created_at < cutoff, Notice.id < boundary.first_young_id)


def _beyond_newest(problem_id: int, number: int) -> ColumnElement[bool] | None:
    """A condition for the notices of the problem beyond the newest ``number``; None when there are none."""
    of_problem = select(Notice.occurred_at, Notice.id).where(Notice.problem_id == problem_id)
    newest_first = of_problem.order_by(Notice.occurred_at.desc(), Notice.id.desc())
    newest = db.session.execute(newest_first.limit(1)).first()
    if newest is not None and newest.occurred_at > clock.now() + TOLERANCE:
        # The clock was ahead, or is behind now. By their times the notices from then would push out all later ones.
        first = db.session.execute(of_problem.order_by(Notice.id.desc()).offset(number).limit(1)).first()
        return None if first is None else and_(Notice.problem_id == problem_id, Notice.id <= first.id)
    first = db.session.execute(newest_first.offset(number).limit(1)).first()
    if first is None:
        return None
    is_older = or_(Notice.occurred_at < first.occurred_at, Notice.id <= first.id)
    return and_(Notice.problem_id == problem_id, Notice.occurred_at <= first.occurred_at, is_older)


def _remove_problems(app_id: int, limits: RetentionLimits, guard: AgeGuard) -> Iterator[CleanupResult]:
    """Remove the app's problems that have no notices left, if they are resolved or were not seen for long enough.

    The app's own hours stay, so that its chart does not change. While the clock is in doubt, only resolved ones go.
    """
    if not limits.problem_days:
        return
    is_removable = Problem.status == RESOLVED
    if not guard.boundary(limits.problem_days).gap:
        is_removable |= Problem.last_noticed_at < clock.now() - timedelta(days=limits.problem_days)
    ids = find_empty_problems(and_(Problem.app_id == app_id, is_removable))
    for start in range(0, len(ids), PROBLEM_BATCH_SIZE):
        yield remove_empty_problems(ids[start : start + PROBLEM_BATCH_SIZE])


def _remove_aged(overdue: ColumnElement[bool], days: int, guard: AgeGuard) -> Iterator[CleanupResult]:
    """Remove as much of ``overdue`` as ``guard`` allows."""
    while allowed := guard.allow(days, NOTICE_BATCH_SIZE):
        removed = remove_notices(Notice.id.in_(select(Notice.id).where(overdue).limit(allowed)))
        guard.removed(days, removed.notices)
        yield removed
        if removed.notices < allowed:
            return
    if db.session.scalar(select(Notice.id).where(overdue).limit(1)) is not None:
        guard.report(days)


def _remove_where(overdue: ColumnElement[bool]) -> Iterator[CleanupResult]:
    while True:
        removed = remove_notices(Notice.id.in_(select(Notice.id).where(overdue).limit(NOTICE_BATCH_SIZE)))
        yield removed
        if removed.notices < NOTICE_BATCH_SIZE:
            return
