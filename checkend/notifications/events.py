"""Events that no report caused, such as the end of a mute at a time."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select

from checkend.db.session import db
from checkend.models import Problem, ProblemEvent, ProblemFacet
from checkend.models.level import DEFAULT_LEVEL, extract_level
from checkend.models.mute import end_mutes_of
from checkend.models.notice import latest_notices

MUTES_PER_STEP = 500


def new_event(event: str, problem: Problem, details: dict[str, Any], now: datetime) -> ProblemEvent:
    """Return an event that no report caused, with the level of the latest notice. It is not added to the session."""
    notices = latest_notices(problem, 1)
    return ProblemEvent(
        app_id=problem.app_id,
        problem_id=problem.id,
        event=event,
        environment="",
        release="",
        level=extract_level(notices[0].details) if notices else DEFAULT_LEVEL,
        details=details,
        created_at=now,
    )


def environments_of(event: ProblemEvent) -> Iterable[str]:
    """Return the environment of the report that caused the event; if none did, all that the problem occurred in."""
    if event.notice_id is not None:
        return [event.environment]
    statement = select(ProblemFacet.value).filter_by(problem_id=event.problem_id, name="environment")
    return list(db.session.scalars(statement))


def mutes_ending(now: datetime) -> list[Problem]:
    """Return up to `MUTES_PER_STEP` problems that were muted until a time that has come."""
    statement = select(Problem).where(Problem.muted_until.is_not(None), Problem.muted_until <= now)
    return list(db.session.scalars(statement.order_by(Problem.muted_until).limit(MUTES_PER_STEP)))


def end_mutes(now: datetime) -> None:
    """Unmute the problems that `mutes_ending` returns, each with an event."""
    problems = mutes_ending(now)
    db.session.add_all([new_event("unmuted", problem, {"reason": "until"}, now) for problem in problems])
    end_mutes_of(select(Problem.id).where(Problem.id.in_([problem.id for problem in problems])))
