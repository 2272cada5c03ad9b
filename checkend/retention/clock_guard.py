"""Protection of retention against a clock that has jumped.

The ids of notices increase in the order of receipt, whatever the clock was at the time. So every notice received after
a young one is young as well. If two consecutive notices are far apart in time, either no reports were received for that
long, or the clock was changed. These two cases cannot be distinguished. In both, only a share of the notices may be
removed by age in one run, so that a wrong clock is noticed before everything is removed.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select

from checkend import clock
from checkend.db.session import db
from checkend.models import Notice

NO_LIMIT = 100  # percent
TOLERANCE = timedelta(hours=1)  # how far a time may be in the future, such as after a small correction of the clock
ID_BATCH_SIZE = 10_000
MIN_GAP = timedelta(hours=1)

log = logging.getLogger("checkend.retention")


@dataclass(frozen=True, slots=True)
class Boundary:
    """The boundary of the notices older than some number of days: their ids are below ``first_young_id``.

    ``gap`` is a period without reports that is long enough to doubt the clock, else zero.
    """

    cutoff: datetime
    first_young_id: int
    gap: timedelta


NOTHING_AGED = Boundary(clock.EPOCH, 0, timedelta(0))


@dataclass
class AgeGuard:
    """Limit on the notices that one run may remove by age while the clock is in doubt.

    ``max_share`` is in percent of all notices, but at least one notice; 100 for no limit. ``starting`` is for the first
    run after the start of the server, which removes nothing: a clock that is wrong at boot is often corrected soon.
    ``limited`` is whether any notices were left for a later run.
    """

    max_share: int = NO_LIMIT
    starting: bool = False
    limited: bool = False
    _left: int | None = None
    _boundaries: dict[int, Boundary] = field(default_factory=dict)

    def boundary(self, days: int) -> Boundary:
        """Return the boundary of the notices that are older than ``days``; it stays the same during the run."""
        if days not in self._boundaries:
            self._boundaries[days] = _find_boundary(days, self.max_share)
        return self._boundaries[days]

    def allow(self, days: int, wanted: int) -> int:
        """Return how many notices older than ``days`` may be removed now, at most ``wanted``."""
        if self.max_share >= NO_LIMIT or not self.boundary(days).gap:
            return wanted
        if self._left is None:
            total = db.session.scalar(select(func.count()).select_from(Notice)) or 0
            self._left = 0 if self.starting else max(total * self.max_share // 100, 1)
        return min(wanted, self._left)

    def removed(self, days: int, number: int) -> None:
        """Count ``number`` notices older than ``days`` as removed."""
        if self._left is not None and self.boundary(days).gap:
            self._left -= number

    def report(self, days: int) -> None:
        """Log, once per run, that notices older than ``days`` were left for a later one."""
        if self.limited:
            return
        self.limited = True
        log.warning(
            "the clock (now %s) may have jumped: no report was received for %.1f days. At most %d %% of all notices "
            "(CHECKEND_RETENTION_MAX_SHARE; none right after a start) are removed by age in one run; the rest are left "
            "for later runs. If the clock is wrong, set it. If not, `checkend prune --force` removes the rest now.",
            clock.iso(clock.now()),
            self.boundary(days).gap / timedelta(days=1),
            self.max_share,
        )


def _find_boundary(days: int, max_share: int) -> Boundary:
    now = clock.now()
    cutoff = now - timedelta(days=days)
    newest = db.session.execute(_received.order_by(Notice.id.desc()).limit(1)).first()
    if newest is None:
        return Boundary(cutoff, 0, timedelta(0))
    first_young_id = _first_young(cutoff, now, newest.id)
    if max_share >= NO_LIMIT:
        return Boundary(cutoff, first_young_id, timedelta(0))
    shortest = max(timedelta(days=days) * max_share / 100, MIN_GAP)
    end = max(now, newest.created_at)
    before = db.session.execute(_received.where(Notice.id < first_young_id).order_by(Notice.id.desc()).limit(1)).first()
    start = before or db.session.execute(_received.order_by(Notice.id).limit(1)).one()
    return Boundary(cutoff, first_young_id, _find_gap((start.id, start.created_at), (newest.id + 1, end), shortest))


_received = select(Notice.id, Notice.created_at).where(Notice.id > 0)  # makes SQLite use the primary key


def _first_young(cutoff: datetime, now: datetime, newest_id: int) -> int:
    """Return the smallest id of a notice received after ``cutoff``, or one more than ``newest_id`` if all are older.

    Notices from the future are ignored: they were received while the clock was ahead, so later ones may be older.
    """
    after = 0
    is_young = (Notice.created_at >= cutoff) & (Notice.created_at <= now + TOLERANCE)
    while after <= newest_id:
        batch = select(Notice.id).where(Notice.id > after).order_by(Notice.id).limit(ID_BATCH_SIZE).subquery()
        last = db.session.scalar(select(func.max(batch.c.id)))
        if last is None:
            break
        within = (Notice.id > after) & (Notice.id <= last)
        first_young = db.session.scalar(select(Notice.id).where(within, is_young).order_by(Notice.id).limit(1))
        db.session.rollback()  # a long read transaction would keep the write-ahead log from being emptied
        if first_young is not None:
            return first_young
        after = last
    return newest_id + 1


ReceivedNotice = tuple[int, datetime]  # the id of a notice, and when it was received


def _find_gap(start: ReceivedNotice, end: ReceivedNotice, shortest: timedelta) -> timedelta:
    """Return the time between two consecutive notices if it is at least ``shortest``, else zero.

    Bisects the range of ids until the notices at both ends are closer together than that: some hundred lookups by id.
    """
    pending = [(start, end)]
    while pending:
        (low, low_time), (high, high_time) = pending.pop()
        if high_time - low_time < shortest:
            continue
        middle = (low + high) // 2
        above = _received.where(Notice.id > middle, Notice.id < high).order_by(Notice.id).limit(1)
        between = db.session.execute(above).first()
        if between is None:
            below = _received.where(Notice.id > low, Notice.id <= middle).order_by(Notice.id.desc()).limit(1)
            between = db.session.execute(below).first()
        if between is None:
            return high_time - low_time
        pending += [
            ((low, low_time), (between.id, between.created_at)),
            ((between.id, between.created_at), (high, high_time)),
        ]
    return timedelta(0)
