"""Changes of problems in the audit log: one entry for everything of a kind that a transaction does."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event as orm_event
from sqlalchemy import select
from sqlalchemy.orm import Session

from checkend.db.session import db
from checkend.models import audit_log
from checkend.models.app import App
from checkend.models.audit_log import Label

MAX_IDS = 100  # ids in an entry
MAX_APPS = 20  # apps in an entry
_CHANGES = "audit_problem_changes"


@dataclass(slots=True)
class _Change:
    details: dict[str, Any]
    counts: Counter[int] = field(default_factory=Counter)  # problems by app id
    ids: list[int] = field(default_factory=list)
    first_class: str = ""


def add_change(
    event: str, problems: Iterable[tuple[int, str]], counts: dict[int, int], details: dict[str, Any]
) -> None:
    """Add a change of problems to the entry that the transaction's commit writes.

    ``problems`` are id and error class of the first `MAX_IDS` of them, ``counts`` their numbers by app id.
    """
    changes: dict[tuple[str, str], _Change] = db.session.info.setdefault(_CHANGES, {})
    change = changes.setdefault((event, json.dumps(details, sort_keys=True)), _Change(details))
    change.counts.update(counts)
    for problem_id, error_class in problems:
        change.first_class = change.first_class or error_class
        if len(change.ids) < MAX_IDS:
            change.ids.append(problem_id)


@orm_event.listens_for(Session, "before_commit")
def _record(session: Session) -> None:
    for (event, _), change in session.info.pop(_CHANGES, {}).items():
        names = dict(
            session.execute(select(App.id, App.name).where(App.id.in_(sorted(change.counts)[:MAX_APPS]))).all()
        )
        apps = {app_id: Label(f"app {app_id} ({name})", "app", app_id, name, app_id) for app_id, name in names.items()}
        audit_log.record(event, _target(change), **_scope(change, apps), **change.details)


@orm_event.listens_for(Session, "after_rollback")
def _drop(session: Session) -> None:
    session.info.pop(_CHANGES, None)


def _target(change: _Change) -> Label:
    count = change.counts.total()
    app_id = next(iter(change.counts)) if len(change.counts) == 1 else None
    if count == 1:
        name = change.first_class
        return Label(f"problem {change.ids[0]} ({name})", "problem", change.ids[0], name, app_id)
    return Label(f"{count} problems", "problems", None, f"{count:,} problems", app_id)


def _scope(change: _Change, apps: dict[int, Label]) -> dict[str, Any]:
    """Return the details that say which problems and apps: ``app`` or ``apps`` and, of several problems, their ids."""
    count = change.counts.total()
    several = {"count": count, "ids": change.ids} if count > 1 else {}
    if len(change.counts) == 1:
        return several | {"app": next(iter(apps.values()), None)}
    return several | {"apps": [label.as_dict() for label in apps.values()], "apps_count": len(change.counts)}
