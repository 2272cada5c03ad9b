"""Making room where an app, or the whole store, is near the size that it may have.

Room is always made by the app that uses the most: of its notices those stored longest ago go, or its problems without
notices, whichever take more room. A smaller app loses nothing as long as a larger one has something to lose.
"""

import logging
import time
from collections.abc import Iterator

from flask import current_app
from sqlalchemy import select

from checkend.db.session import db
from checkend.db.vacuum import file_usage
from checkend.models import App, Notice, Problem
from checkend.models.storage import PROBLEM_BYTES, notice_bytes, used_bytes
from checkend.retention.removal import (
    NOTICE_BATCH_SIZE,
    PROBLEM_BATCH_SIZE,
    CleanupResult,
    find_empty_problems,
    remove_empty_problems,
    remove_notices,
    remove_unused_backtraces,
)

NEAR, WELL_BELOW = 0.9, 0.85  # of the limit: where making room begins, and where it ends
ID_BATCH_SIZE = 5_000
REPEAT_SECONDS = 3600.0  # after which a warning about what cannot be made smaller is logged again
_STORE = "the store"

log = logging.getLogger("checkend.retention")


def is_near_limit(cap: int) -> bool:
    """Whether the store uses nearly ``cap`` bytes (0: there is no cap)."""
    return bool(cap) and file_usage().used_bytes > cap * NEAR


def shrink_database(cap: int) -> Iterator[CleanupResult]:
    """Where the store is near ``cap`` bytes, have the apps that use the most make room until it is well below; loudly.

    Yields what each step removed, committed. Needs an app context.
    """
    if not is_near_limit(cap):
        return
    is_loud = _is_news(_STORE)
    if is_loud:
        log.warning(
            "the store uses %d of %d bytes (CHECKEND_MAX_STORE_BYTES): its oldest go", file_usage().used_bytes, cap
        )
    total, shrinking = CleanupResult(), _SizeReduction()
    yield from remove_unused_backtraces()
    while (excess := file_usage().used_bytes - cap * WELL_BELOW) > 0:
        app_id = _largest_app(shrinking.apps)
        if app_id is None:
            if is_loud:
                log.error(
                    "the store holds no notice any more, and still uses %d of %d bytes", file_usage().used_bytes, cap
                )
            break
        removed = shrinking.step(app_id, excess)
        total += removed
        yield removed
    else:
        _forget_news(_STORE)
    if is_loud:
        log.warning(
            "%d of the oldest notices and %d problems went, since the store was near its cap",
            total.notices,
            total.problems,
        )


def shrink_apps(cap: int) -> Iterator[CleanupResult]:
    """As `shrink_database`, for each app that uses nearly ``cap`` bytes (0: there is no cap)."""
    if not cap:
        return
    for app_id, slug in db.session.execute(select(App.id, App.slug).where(used_bytes > cap * NEAR)).all():
        yield from _shrink_app(app_id, slug, cap)
    db.session.rollback()


def _shrink_app(app_id: int, slug: str, cap: int) -> Iterator[CleanupResult]:
    used = _used_bytes_of(app_id)
    is_loud = _is_news(slug)
    if is_loud:
        log.warning("app %s uses %d of %d bytes (CHECKEND_MAX_APP_BYTES): its oldest notices go", slug, used, cap)
    total, shrinking = CleanupResult(), _SizeReduction()
    yield from remove_unused_backtraces()
    while (excess := _used_bytes_of(app_id) - cap * WELL_BELOW) > 0 and not shrinking.apps:
        removed = shrinking.step(app_id, excess)
        total += removed
        yield removed
    used = _used_bytes_of(app_id)
    if used <= cap * WELL_BELOW:
        _forget_news(slug)
    if is_loud:
        log.warning(
            "app %s: %d notices and %d problems went; it uses %d bytes now", slug, total.notices, total.problems, used
        )


def _is_news(what: str) -> bool:
    """Return whether to log that ``what``, the slug of an app or the store, is near its limit.

    Always where the time before it became small enough; else once an hour: the limits are looked at every few seconds.
    """
    logged_at = _logged_at()
    now = time.monotonic()
    if now - logged_at.get(what, -REPEAT_SECONDS) < REPEAT_SECONDS:
        return False
    logged_at[what] = now
    return True


def _forget_news(what: str) -> None:
    _logged_at().pop(what, None)


def _logged_at() -> dict[str, float]:
    logged_at: dict[str, float] = current_app.extensions.setdefault("checkend_reclaiming_logged_at", {})
    return logged_at


def _used_bytes_of(app_id: int) -> int:
    return db.session.scalar(select(used_bytes).where(App.id == app_id)) or 0


def _largest_app(without: set[int]) -> int | None:
    ordered = select(App.id).where(App.id.not_in(without)).order_by(used_bytes.desc(), App.id)
    return db.session.scalar(ordered.limit(1))


class _SizeReduction:
    """Takes from one app or another, step by step. ``apps`` are those that have nothing left to take."""

    def __init__(self) -> None:
        self.apps: set[int] = set()
        self._looked_at: dict[int, int] = {}
        self._oldest: dict[int, list[tuple[int, int]]] = {}

    def step(self, app_id: int, excess: float) -> CleanupResult:
        """Take a step's worth of what the app has most of: notices stored longest ago, or problems without notices.

        No more than it takes to free ``excess`` bytes.
        """
        has_more_in_problems = db.session.scalar(
            select(App.problems_count * PROBLEM_BYTES > App.stored_bytes).where(App.id == app_id)
        )
        order = [self._take_notices, self._take_problems]
        for take in reversed(order) if has_more_in_problems else order:
            removed = take(app_id, excess)
            if removed.notices or removed.problems:
                return removed
        self.apps.add(app_id)
        return CleanupResult()

    def _take_problems(self, app_id: int, excess: float) -> CleanupResult:
        enough = min(PROBLEM_BATCH_SIZE, 1 + int(excess / PROBLEM_BYTES))
        ids = find_empty_problems(Problem.app_id == app_id, limit=enough)
        return remove_empty_problems(ids) if ids else CleanupResult()

    def _take_notices(self, app_id: int, excess: float) -> CleanupResult:
        found = self._oldest.get(app_id) or self._find_oldest(app_id)
        ids = []
        for notice_id, size in found[:NOTICE_BATCH_SIZE]:
            if excess <= 0:
                break
            ids.append(notice_id)
            excess -= size
        self._oldest[app_id] = found[len(ids) :]
        return remove_notices(Notice.id.in_(ids)) if ids else CleanupResult()

    def _find_oldest(self, app_id: int) -> list[tuple[int, int]]:
        """Return the ids and sizes of some of the app's notices, those stored longest ago.

        The table is read once from its beginning, however many notices of other apps lie between: what was looked at
        is never looked at again.
        """
        whose = select(Problem.app_id).where(Problem.id == Notice.problem_id).scalar_subquery()
        while True:
            after = self._looked_at.get(app_id, 0)
            some = (
                select(Notice.id, whose, notice_bytes).where(Notice.id > after).order_by(Notice.id).limit(ID_BATCH_SIZE)
            )
            rows = db.session.execute(some).all()
            db.session.rollback()  # a long reading transaction would keep the write-ahead log growing
            if not rows:
                return []
            self._looked_at[app_id] = rows[-1][0]
            if found := [(notice_id, size) for notice_id, owner, size in rows if owner == app_id]:
                return found
