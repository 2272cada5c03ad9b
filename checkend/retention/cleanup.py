"""Cleanup: remove expired notices and problems, and return their space to the disk.

A notice expires when it is older than the days of its app, or when its problem has more than the app's number of newer
ones. Counts, charts and facets are stored separately and stay with the problem. A problem without notices expires when
it is resolved, or was not noticed for RETENTION_PROBLEM_DAYS. Everything happens in short transactions with pauses
between them, so that reports are hardly delayed; each finds its rows through an index.
"""

from collections import Counter
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
from checkend.retention.size_limits import LimitWarnings, shrink_apps, shrink_database

PROBLEM_SCAN_BATCH_SIZE = 200


class RetentionLimits(NamedTuple):
    """Days to keep notices, newest notices to keep per problem, and days to keep problems; 0 for no limit."""

    days: int
    notices: int
    problem_days: int = 0


def retention_limits(config: dict[str, Any]) -> RetentionLimits:
    """Return the limits in the settings, which the limits of an app override."""
    return RetentionLimits(config["RETENTION_DAYS"], config["RETENTION_NOTICES"], config["RETENTION_PROBLEM_DAYS"])


def clean_up(
    default: RetentionLimits,
    cap: int = 0,
    app_cap: int = 0,
    *,
    sweep: bool = True,
    keep_pages: int = 0,
    guard: AgeGuard | None = None,
    warnings: LimitWarnings | None = None,
) -> Iterator[CleanupResult]:
    """Remove what has expired, then enforce the size limits: ``app_cap`` bytes per app, ``cap`` for the database.

    Finally shorten the file. Yields the committed result of each step, often empty, so that the caller can pause.
    ``sweep`` also removes all unused backtraces and tags, which reads each of them. ``guard`` limits what is removed by
    age, and records whether it did. Needs an app context.
    """
    guard, warnings = guard or AgeGuard(), warnings or LimitWarnings()
    for app_id, limits in _limits_by_app(default).items():
        for expired, days in _expired(app_id, limits, guard):
            yield from _remove_aged(expired, days, guard) if days else _remove_where(expired)
        yield from _remove_problems(app_id, limits, guard)
    yield from shrink_apps(app_cap, warnings)
    yield from shrink_database(cap, warnings)
    if sweep:
        yield from remove_unused_backtraces()
        yield from remove_unused_tags()
    for freed in release_free_pages(keep_pages):
        yield CleanupResult(freed=freed)


def count_expired(default: RetentionLimits) -> dict[int, int]:
    """Return the number of expired notices by app id, without the apps that have none."""
    counts: Counter[int] = Counter()
    guard = AgeGuard()
    for app_id, limits in _limits_by_app(default).items():
        for expired, _ in _expired(app_id, limits, guard):
            counts[app_id] += db.session.scalar(select(func.count()).select_from(Notice).where(expired)) or 0
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
    """Yield conditions that together match every expired notice of the app exactly once.

    Each comes with the days after which its notices expire, or 0 if they expire by number.
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
    """Yield batches of ``(problem id, has notices expired by age, has more notices than allowed)`` of the app.

    They are ordered by fingerprint, which never changes and has an index.
    """
    after = ""
    while True:
        batch = (
            select(Problem.id, Problem.fingerprint)
            .where(Problem.app_id == app_id, Problem.fingerprint > after)
            .order_by(Problem.fingerprint)
            .limit(PROBLEM_SCAN_BATCH_SIZE)
            .subquery()
        )
        notices = select(Notice.id).where(Notice.problem_id == batch.c.id)
        newest_first = notices.order_by(Notice.occurred_at.desc(), Notice.id.desc())
        rows = db.session.execute(
            select(
                batch.c.id,
                batch.c.fingerprint,
                notices.where(_is_older_than(boundary)).limit(1).scalar_subquery(),
                newest_first.offset(limits.notices).limit(1).scalar_subquery(),
            ).order_by(batch.c.fingerprint)
        ).all()
        if not rows:
            return
        after = rows[-1].fingerprint
        yield [(row[0], row[2] is not None, bool(limits.notices) and row[3] is not None) for row in rows]


def _is_older_than(boundary: Boundary) -> ColumnElement[bool]:
    """Return a condition for notices that occurred and were received before the cutoff.

    A stored report is kept for its full time even if the clock of its app, or of this server, was wrong.
    """
    cutoff = boundary.cutoff
    return and_(Notice.occurred_at < cutoff, Notice.created_at < cutoff, Notice.id < boundary.first_young_id)


def _beyond_newest(problem_id: int, number: int) -> ColumnElement[bool] | None:
    """Return a condition for the notices of the problem beyond the newest ``number``, or None if there are none."""
    of_problem = select(Notice.occurred_at, Notice.id).where(Notice.problem_id == problem_id)
    newest_first = of_problem.order_by(Notice.occurred_at.desc(), Notice.id.desc())
    newest = db.session.execute(newest_first.limit(1)).first()
    if newest is not None and newest.occurred_at > clock.now() + TOLERANCE:
        # The clock was ahead, or is behind now. Ordered by time, notices from then would displace all later ones: the
        # order of receipt counts instead.
        first = db.session.execute(of_problem.order_by(Notice.id.desc()).offset(number).limit(1)).first()
        return None if first is None else and_(Notice.problem_id == problem_id, Notice.id <= first.id)
    first = db.session.execute(newest_first.offset(number).limit(1)).first()
    if first is None:
        return None
    is_older = or_(Notice.occurred_at < first.occurred_at, Notice.id <= first.id)
    return and_(Notice.problem_id == problem_id, Notice.occurred_at <= first.occurred_at, is_older)


def _remove_problems(app_id: int, limits: RetentionLimits, guard: AgeGuard) -> Iterator[CleanupResult]:
    """Remove the app's expired problems without notices.

    The hourly counts of the app stay, so that its chart does not change. While the clock is in doubt, only resolved
    problems are removed.
    """
    if not limits.problem_days:
        return
    is_removable = Problem.status == RESOLVED
    if not guard.boundary(limits.problem_days).gap:
        is_removable |= Problem.last_noticed_at < clock.now() - timedelta(days=limits.problem_days)
    ids = find_empty_problems(and_(Problem.app_id == app_id, is_removable))
    for start in range(0, len(ids), PROBLEM_BATCH_SIZE):
        yield remove_empty_problems(ids[start : start + PROBLEM_BATCH_SIZE])


def _remove_aged(expired: ColumnElement[bool], days: int, guard: AgeGuard) -> Iterator[CleanupResult]:
    """Remove as many of the ``expired`` notices as ``guard`` allows."""
    while allowed := guard.allow(days, NOTICE_BATCH_SIZE):
        removed = remove_notices(Notice.id.in_(select(Notice.id).where(expired).limit(allowed)))
        guard.removed(days, removed.notices)
        yield removed
        if removed.notices < allowed:
            return
    if db.session.scalar(select(Notice.id).where(expired).limit(1)) is not None:
        guard.report(days)


def _remove_where(condition: ColumnElement[bool]) -> Iterator[CleanupResult]:
    while True:
        removed = remove_notices(Notice.id.in_(select(Notice.id).where(condition).limit(NOTICE_BATCH_SIZE)))
        yield removed
        if removed.notices < NOTICE_BATCH_SIZE:
            return
