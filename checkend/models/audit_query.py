"""Reading the audit log: its filter, and pages and streams of entries."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from checkend.db.session import db
from checkend.exceptions import DomainError
from checkend.models.app import App
from checkend.models.audit_entry import AuditEntry
from checkend.models.slugs import by_slug_or_id, parse_id

READ_BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter for entries. Empty parts do not limit; times are inclusive, ``before`` is an id that is not.

    ``event`` is an event or a group of them, such as ``problem``. ``actor`` and ``target`` are a kind, ``kind:id``, or
    a part of a label.
    """

    event: str = ""
    actor: str = ""
    target: str = ""
    app_id: int | None = None
    date_from: datetime | None = None
    date_to: datetime | None = None
    before: int | None = None


def of_app(filters: AuditFilter, reference: str) -> AuditFilter:
    """Return ``filters`` limited to the app with this slug or id, if one is given.

    Raise `DomainError` for a slug that no app has. An id may be that of an app that was deleted.
    """
    if not reference:
        return filters
    if (app_id := parse_id(reference)) is not None:
        return replace(filters, app_id=app_id)
    app = by_slug_or_id(App, reference)
    if app is None:
        raise DomainError(f"There is no app with the slug {reference[:100]!a}.")
    return replace(filters, app_id=app.id)


ACTOR_KINDS = ("user", "api_key", "command_line", "anonymous")
TARGET_KINDS = ("user", "api_key", "team", "app", "channel", "invitation", "problem", "problems")


def find_entries(filters: AuditFilter) -> Select[Any]:
    """Select the entries that match ``filters``, newest first."""
    return _matching(select(AuditEntry), filters).order_by(AuditEntry.id.desc())


def count_entries(filters: AuditFilter) -> int:
    """Return how many entries `find_entries` selects."""
    return db.session.scalar(_matching(select(func.count()).select_from(AuditEntry), filters)) or 0


def iterate_entries(filters: AuditFilter, limit: int | None = None) -> Iterator[AuditEntry]:
    """Yield the entries that match, newest first, at most ``limit``.

    Memory does not depend on their number, and no transaction stays open while the caller uses an entry.
    """
    before = filters.before
    while limit is None or limit > 0:
        size = READ_BATCH_SIZE if limit is None else min(limit, READ_BATCH_SIZE)
        statement = find_entries(filters) if before is None else find_entries(filters).where(AuditEntry.id < before)
        batch: list[AuditEntry] = list(db.session.scalars(statement.limit(size)))
        db.session.expunge_all()
        db.session.rollback()
        yield from batch
        if len(batch) < size:
            return
        before, limit = batch[-1].id, None if limit is None else limit - size


def _matching(statement: Select[Any], filters: AuditFilter) -> Select[Any]:
    if filters.event:
        of_group = AuditEntry.event.startswith(f"{filters.event}.", autoescape=True)
        statement = statement.where(or_(AuditEntry.event == filters.event, of_group))
    for value, kinds, part in ((filters.actor, ACTOR_KINDS, "actor"), (filters.target, TARGET_KINDS, "target")):
        if value:
            statement = statement.where(_is_record(value, kinds, part))
    if filters.app_id is not None:
        statement = statement.where(AuditEntry.app_id == filters.app_id)
    if filters.date_from is not None:
        statement = statement.where(AuditEntry.at >= filters.date_from)
    if filters.date_to is not None:
        statement = statement.where(AuditEntry.at <= filters.date_to)
    if filters.before is not None:
        statement = statement.where(AuditEntry.id < filters.before)
    return statement


def _is_record(value: str, kinds: tuple[str, ...], part: str) -> Any:
    """Return a condition for entries whose ``part``, the actor or the target, is the one that ``value`` names."""
    kind, _, number = value.partition(":")
    kind_column = getattr(AuditEntry, f"{part}_kind")
    if kind in kinds and not number:
        return kind_column == kind
    if kind in kinds and (record_id := parse_id(number)) is not None:
        return (kind_column == kind) & (getattr(AuditEntry, f"{part}_id") == record_id)
    return getattr(AuditEntry, f"{part}_label").icontains(value.replace("\0", ""), autoescape=True)
