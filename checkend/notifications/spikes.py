"""Spikes: problems that occur a number of times within some minutes, both set on each channel.

A channel is notified once when a problem begins to spike, and once when it has calmed down to half of that: a rate that
stays near the limit does not notify again and again. ``spikes`` holds what each channel was notified of, so that a
restart neither repeats nor forgets anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import delete, exists, select, text

from checkend import clock
from checkend.db.session import db
from checkend.models import Channel, Problem, ProblemEvent, Spike
from checkend.models.counters import MINUTE, MINUTE_SINCE, REPORTS_SINCE
from checkend.models.problem import UNRESOLVED
from checkend.notifications.events import environments_of, new_event
from checkend.notifications.outbox import queue_event

CHANGES_AT_ONCE = 100  # further ones are found by the next call
PRUNED_AT_ONCE = 1_000

# The problems with at least half as many reports as make a spike, also muted and resolved ones.
_BUSY = text(
    f"SELECT p.id, m.reports FROM (SELECT problem_id, {REPORTS_SINCE} AS reports FROM problem_minutes "
    f"WHERE {MINUTE_SINCE} GROUP BY problem_id HAVING 2 * reports >= :occurrences) m "
    "JOIN problems p ON p.id = m.problem_id WHERE p.app_id = :app_id"
)
_COUNT = text(f"SELECT {REPORTS_SINCE} FROM problem_minutes WHERE problem_id = :problem_id AND {MINUTE_SINCE}")
# The minutes that are no longer needed. Those in the future were counted by a clock that was ahead.
_OUTDATED = text(
    f"SELECT problem_id, minute FROM problem_minutes m WHERE minute > :now + {MINUTE} OR minute < :now - {MINUTE} * "
    "(2 + (SELECT max(coalesce(p.mute_rate_minutes, 0), coalesce((SELECT max(c.spike_minutes) FROM channels c "
    "WHERE c.app_id = p.app_id AND c.enabled AND c.watches_spikes), 0)) FROM problems p WHERE p.id = m.problem_id)) "
    "LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Change:
    """The start or the end of a spike, and the event that the channel is notified of; none for a silent end."""

    channel: Channel
    problem_id: int
    started: bool = False
    event: ProblemEvent | None = None


def find_changes(now: datetime) -> list[Change]:
    """Return up to `CHANGES_AT_ONCE` spikes that started or ended and were not recorded yet."""
    is_watching = Channel.enabled & Channel.watches_spikes
    watching_or_spiking = select(Channel).where(is_watching | exists().where(Spike.channel_id == Channel.id))
    channels = list(db.session.scalars(watching_or_spiking.order_by(Channel.id)))
    return list(islice((change for channel in channels for change in _changes_of(channel, now)), CHANGES_AT_ONCE))


def _changes_of(channel: Channel, now: datetime) -> Iterator[Change]:
    spiking = set(db.session.scalars(select(Spike.problem_id).where(Spike.channel_id == channel.id)))
    is_watching = channel.enabled and channel.watches_spikes
    busy = _busy_problems(channel, now) if is_watching else {}
    starting = {problem_id for problem_id, reports in busy.items() if reports >= channel.spike_occurrences} - spiking
    for problem in _notifiable_problems(starting):
        event = _event(channel, problem, "started", busy[problem.id], now)
        if channel.accepts(event.event, environments_of(event), event.level):
            yield Change(channel, problem.id, True, event)
    notifiable = {problem.id: problem for problem in _notifiable_problems(spiking)} if is_watching else {}
    for problem_id in spiking - notifiable.keys():
        yield Change(channel, problem_id)
    for problem_id in notifiable.keys() - busy.keys():
        reports = _count(problem_id, channel, now)
        yield Change(channel, problem_id, event=_event(channel, notifiable[problem_id], "ended", reports, now))


def _notifiable_problems(problem_ids: set[int]) -> list[Problem]:
    """Return those of the problems that are neither resolved nor muted."""
    statement = select(Problem).where(Problem.id.in_(problem_ids), Problem.status == UNRESOLVED)
    return list(db.session.scalars(statement.where(Problem.muted_at.is_(None)).order_by(Problem.id)))


def _event(channel: Channel, problem: Problem, state: str, reports: int, now: datetime) -> ProblemEvent:
    details = {"state": state, "occurrences": reports, "minutes": channel.spike_minutes}
    return new_event("spike", problem, details, now)


def _busy_problems(channel: Channel, now: datetime) -> dict[int, int]:
    since, least = _start(channel, now), channel.spike_occurrences
    rows = db.session.execute(_BUSY, {"since": since, "occurrences": least, "app_id": channel.app_id})
    return {problem_id: reports for problem_id, reports in rows}


def _count(problem_id: int, channel: Channel, now: datetime) -> int:
    count: int = db.session.execute(_COUNT, {"since": _start(channel, now), "problem_id": problem_id}).scalar_one()
    return count


def _start(channel: Channel, now: datetime) -> int:
    return clock.to_micros(now) - channel.spike_minutes * MINUTE


def record_changes(now: datetime) -> None:
    """Note the spikes that started or ended, and queue their notifications."""
    for change in find_changes(now):
        spike = {"channel_id": change.channel.id, "problem_id": change.problem_id}
        if change.started:
            db.session.add(Spike(**spike, started_at=now))
        else:
            db.session.execute(delete(Spike).filter_by(**spike))
        if change.event is not None:
            queue_event(change.channel, change.event, now)


def outdated_minutes(now: datetime) -> list[dict[str, int]]:
    """Return the keys of up to `PRUNED_AT_ONCE` counts per minute that are no longer needed."""
    rows = db.session.execute(_OUTDATED, {"now": clock.to_micros(now), "limit": PRUNED_AT_ONCE})
    return [{"problem_id": problem_id, "minute": minute} for problem_id, minute in rows]


def delete_minutes(keys: list[dict[str, int]]) -> None:
    """Delete the counts per minute with the ``keys``."""
    db.session.execute(text("DELETE FROM problem_minutes WHERE problem_id = :problem_id AND minute = :minute"), keys)
