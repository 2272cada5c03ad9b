"""Mutes: muted problems keep counting, but send no notifications and leave the default list.

A mute ends when a user unmutes or resolves the problem, or when one of its terms is met. Ingestion ends those that
depend on reports, and the notification worker those that end at a time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update

from checkend import clock
from checkend.db.session import db
from checkend.exceptions import DomainError
from checkend.models import audit_log
from checkend.models.app import adjust_problem_counts
from checkend.models.counters import ProblemMinute
from checkend.models.problem import NOT_MUTED, UNRESOLVED, Problem, record_change

MAX_MUTE_REASON = 500  # characters
MAX_MUTE_OCCURRENCES = 1_000_000_000
MAX_MUTE_MINUTES = 1_440
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MuteTerms:
    """When a mute ends: when the first of its terms is met; without terms, only when a user ends it.

    ``occurrences`` more occurrences; with ``within_minutes``, that many within so many minutes at any time. The next
    release is one that the app had not reported when the problem was muted.
    """

    until: datetime | None = None
    occurrences: int | None = None
    within_minutes: int | None = None
    until_release: bool = False
    reason: str = ""

    def check(self) -> None:
        """Raise `DomainError` for terms that can never be met, or are met already."""
        if self.until is not None and self.until <= clock.now():
            raise DomainError("'until' must be in the future.")
        if self.until is not None and self.until > _LATEST:  # possible with an offset from UTC
            raise DomainError("'until' must be before the year 10000 in UTC.")
        if self.within_minutes is not None and self.occurrences is None:
            raise DomainError("'within_minutes' needs 'occurrences'.")

    def given(self) -> dict[str, Any]:
        """Return the terms that are set, as in the audit log."""
        terms = {"occurrences": self.occurrences, "within_minutes": self.within_minutes, "until": clock.iso(self.until)}
        terms |= {"until_release": self.until_release, "reason": self.reason}
        return {name: value for name, value in terms.items() if value}


def mute_problems(ids: Select[Any], terms: MuteTerms) -> int:
    """Mute the problems that ``ids`` selects and that are unresolved; new terms replace those of an earlier mute.

    Return how many problems are muted now. Raise `DomainError` for invalid terms.
    """
    terms.check()
    chosen = [Problem.id.in_(ids), Problem.status == UNRESOLVED]
    counts = select(Problem.app_id, func.count(), func.count(Problem.muted_at)).where(*chosen)
    by_app = db.session.execute(counts.group_by(Problem.app_id)).all()
    if not by_app:
        return 0
    record_change("problem.muted", chosen, **terms.given())
    now = clock.now()
    total = Problem.notices_count + Problem.deduplicated_count
    is_rate = terms.within_minutes is not None
    values = NOT_MUTED | {
        "muted_at": now,
        "muted_by": audit_log.current_origin().actor,
        "mute_reason": terms.reason or None,
        "muted_until": terms.until,
        "mute_total": None if terms.occurrences is None or is_rate else total + terms.occurrences,
        "mute_rate": terms.occurrences if is_rate else None,
        "mute_rate_minutes": terms.within_minutes,
        "mute_until_release": terms.until_release,
        "updated_at": now,
    }
    # The occurrences that end a mute are those after it began.
    db.session.execute(delete(ProblemMinute).where(ProblemMinute.problem_id.in_(select(Problem.id).where(*chosen))))
    statement = update(Problem).where(*chosen).values(values)
    db.session.execute(statement.execution_options(synchronize_session=False))
    for app_id, count, already_muted in by_app:
        adjust_problem_counts(app_id, muted=count - already_muted)
    db.session.expire_all()
    return sum(count for _, count, _ in by_app)


def unmute_problems(ids: Select[Any]) -> int:
    """End the mutes of the problems that ``ids`` selects, for a user, key or command. Return how many were muted."""
    record_change("problem.unmuted", [Problem.id.in_(ids), Problem.muted_at.is_not(None)])
    return end_mutes_of(ids)


def end_mutes_of(ids: Select[Any]) -> int:
    """End the mutes of the problems that ``ids`` selects, without an audit entry. Return how many were muted."""
    chosen = [Problem.id.in_(ids), Problem.muted_at.is_not(None)]
    by_app = db.session.execute(select(Problem.app_id, func.count()).where(*chosen).group_by(Problem.app_id)).all()
    if not by_app:
        return 0
    statement = update(Problem).where(*chosen).values(NOT_MUTED | {"updated_at": clock.now()})
    db.session.execute(statement.execution_options(synchronize_session=False))
    for app_id, count in by_app:
        adjust_problem_counts(app_id, muted=-count)
    db.session.expire_all()
    return sum(count for _, count in by_app)


def mute_problem(problem: Problem, terms: MuteTerms) -> None:
    """Mute a problem. Raise `DomainError` for invalid terms, and for a problem that is resolved."""
    if problem.status != UNRESOLVED:
        raise DomainError("A resolved problem cannot be muted. Reopen it first.")
    mute_problems(select(Problem.id).where(Problem.id == problem.id), terms)
    db.session.refresh(problem)


def unmute_problem(problem: Problem) -> None:
    """End the problem's mute; no change if it is not muted."""
    unmute_problems(select(Problem.id).where(Problem.id == problem.id))
    db.session.refresh(problem)
