"""Retention of the audit log."""

from collections.abc import Iterator

from sqlalchemy import func, select

from checkend.db.session import db
from checkend.models import AuditEntry
from checkend.models.audit_entry import delete_excess_entries, delete_old_entries
from checkend.retention.clock_guard import AgeGuard
from checkend.retention.removal import CleanupResult


def remove_audit_entries(days: int, guard: AgeGuard) -> Iterator[CleanupResult]:
    """Remove the entries that are older than ``days`` (0 for none), and those beyond the maximum number.

    While the clock is in doubt, only the share of all entries that ``guard`` allows is removed by age.
    """
    limit = None
    if days and guard.boundary(days).gap:
        total = db.session.scalar(select(func.count()).select_from(AuditEntry)) or 0
        limit = 0 if guard.starting else max(total * guard.max_share // 100, 1)
    if days:
        yield from (CleanupResult(audit_entries=count) for count in delete_old_entries(days, limit))
    yield from (CleanupResult(audit_entries=count) for count in delete_excess_entries())
