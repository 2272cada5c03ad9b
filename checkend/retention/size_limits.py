"""Size limits: make room where an app, or the database as a whole, nears the size that it may have.

The app that uses the most always makes room: it loses its oldest notices, or its problems without notices, whichever
use more. A small app loses nothing as long as a larger one has something to remove.
"""

import logging
import time
from collections.abc import Iterator

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

START_SHARE, END_SHARE = 0.9, 0.85  # of the limit: where removal starts, and where it ends
ID_BATCH_SIZE = 5_000
REPEAT_SECONDS = 3600.0
_DATABASE = "the database"

log = logging.getLogger("checkend.retention")


class LimitWarnings:
    """Decides which warnings about limits are due: size limits are checked every few seconds.

    A warning is due when an app or the database nears its limit, and again after `REPEAT_SECONDS` if it could not be
    made small enough.
    """

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}

    def is_due(self, subject: str) -> bool:
        """Return whether to log that ``subject`` is near its limit, and count it as logged."""
        now = time.monotonic()
        if now - self._logged_at.get(subject, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        self._logged_at[subject] = now
        return True

    def reset(self, subject: str) -> None:
        """Make the next warning about ``subject`` due, because it is well below its limit now."""
        self._logged_at.pop(subject, None)


def is_near_limit(cap: int) -> bool:
    """Return whether the database uses nearly ``cap`` bytes (0: no limit)."""
    return bool(cap) and file_usage().used_bytes > cap * START_SHARE


def shrink_database(cap: int, warnings: LimitWarnings) -> Iterator[CleanupResult]:
    """If the database uses nearly ``cap`` bytes, let the largest apps make room until it is well below.

    Yields the committed result of each step. Needs an app context.
    """
    if not is_near_limit(cap):
        return
    is_loud = warnings.is_due(_DATABASE)
    if is_loud:
        log.warning(
            "the database uses %d of %d bytes (CHECKEND_MAX_STORE_BYTES): removing the oldest notices",
            file_usage().used_bytes,
            cap,
        )
    total, reduction = CleanupResult(), _SizeReduction()
    yield from remove_unused_backtraces()
    while (excess := file_usage().used_bytes - cap * END_SHARE) > 0:
        by_size = select(App.id).where(App.id.not_in(reduction.exhausted_apps)).order_by(used_bytes.desc(), App.id)
        app_id = db.session.scalar(by_size.limit(1))
        if app_id is None:
            if is_loud:
                log.error(
                    "the database contains no more notices, and still uses %d of %d bytes", file_usage().used_bytes, cap
                )
            break
        removed = reduction.step(app_id, excess)
        total += removed
        yield removed
    else:
        warnings.reset(_DATABASE)
    if is_loud:
        log.warning(
            "removed %d of the oldest notices and %d problems, since the database was near its limit",
            total.notices,
            total.problems,
        )


def shrink_apps(cap: int, warnings: LimitWarnings) -> Iterator[CleanupResult]:
    """Make room in each app that uses nearly ``cap`` bytes (0: no limit), as `shrink_database` does."""
    if not cap:
        return
    for app_id, slug in db.session.execute(select(App.id, App.slug).where(used_bytes > cap * START_SHARE)).all():
        yield from _shrink_app(app_id, slug, cap, warnings)
    db.session.rollback()


def _shrink_app(app_id: int, slug: str, cap: int, warnings: LimitWarnings) -> Iterator[CleanupResult]:
    used = _used_bytes_of(app_id)
    is_loud = warnings.is_due(slug)
    if is_loud:
        log.warning("app %s uses %d of %d bytes (CHECKEND_MAX_APP_BYTES): removing its oldest notices", slug, used, cap)
    total, reduction = CleanupResult(), _SizeReduction()
    yield from remove_unused_backtraces()
    while (excess := _used_bytes_of(app_id) - cap * END_SHARE) > 0 and not reduction.exhausted_apps:
        removed = reduction.step(app_id, excess)
        total += removed
        yield removed
    used = _used_bytes_of(app_id)
    if used <= cap * END_SHARE:
        warnings.reset(slug)
    if is_loud:
        log.warning(
            "app %s: removed %d notices and %d problems; it uses %d bytes now",
            slug,
            total.notices,
            total.problems,
            used,
        )


def _used_bytes_of(app_id: int) -> int:
    return db.session.scalar(select(used_bytes).where(App.id == app_id)) or 0


class _SizeReduction:
    """Removes from one app or another, step by step. ``exhausted_apps`` have nothing left to remove."""

    def __init__(self) -> None:
        self.exhausted_apps: set[int] = set()
        self._scanned_to: dict[int, int] = {}
        self._oldest: dict[int, list[tuple[int, int]]] = {}

    def step(self, app_id: int, excess: float) -> CleanupResult:
        """Remove a batch of what uses more space in the app: its oldest notices, or its problems without notices.

        Removes no more than is needed to free ``excess`` bytes.
        """
        has_more_in_problems = db.session.scalar(
            select(App.problems_count * PROBLEM_BYTES > App.stored_bytes).where(App.id == app_id)
        )
        order = [self._remove_notices, self._remove_problems]
        for remove in reversed(order) if has_more_in_problems else order:
            removed = remove(app_id, excess)
            if removed.notices or removed.problems:
                return removed
        self.exhausted_apps.add(app_id)
        return CleanupResult()

    def _remove_problems(self, app_id: int, excess: float) -> CleanupResult:
        needed = min(PROBLEM_BATCH_SIZE, 1 + int(excess / PROBLEM_BYTES))
        ids = find_empty_problems(Problem.app_id == app_id, limit=needed)
        return remove_empty_problems(ids) if ids else CleanupResult()

    def _remove_notices(self, app_id: int, excess: float) -> CleanupResult:
        oldest = self._oldest.get(app_id) or self._find_oldest(app_id)
        ids = []
        for notice_id, size in oldest[:NOTICE_BATCH_SIZE]:
            if excess <= 0:
                break
            ids.append(notice_id)
            excess -= size
        self._oldest[app_id] = oldest[len(ids) :]
        return remove_notices(Notice.id.in_(ids)) if ids else CleanupResult()

    def _find_oldest(self, app_id: int) -> list[tuple[int, int]]:
        """Return the ids and sizes of some of the notices of the app, those stored first.

        Scans the table once from its beginning, however many notices of other apps lie between: no row is read twice.
        """
        owner = select(Problem.app_id).where(Problem.id == Notice.problem_id).scalar_subquery()
        while True:
            after = self._scanned_to.get(app_id, 0)
            batch = select(Notice.id, owner, notice_bytes).where(Notice.id > after)
            rows = db.session.execute(batch.order_by(Notice.id).limit(ID_BATCH_SIZE)).all()
            db.session.rollback()  # A long read transaction would keep the write-ahead log from being emptied.
            if not rows:
                return []
            self._scanned_to[app_id] = rows[-1][0]
            if oldest := [(notice_id, size) for notice_id, owner_id, size in rows if owner_id == app_id]:
                return oldest
