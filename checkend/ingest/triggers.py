"""The events of problems: rows for the notification worker, which turns them into deliveries. No report waits for that.

Besides new problems and reoccurrences, a batch may let problems reach a threshold of occurrences, and end mutes. That
is decided by when reports arrive, not by when their errors occurred.
"""

import json
from collections.abc import Iterable
from typing import Any

from checkend.db.connection import DatabaseConnection
from checkend.ingest.problem_delta import Origin, ProblemDelta
from checkend.ingest.releases import RELEASE_FACET, KnownReleases
from checkend.models.counters import MINUTE, MINUTE_SINCE, REPORTS_SINCE
from checkend.models.problem import NOT_MUTED

_END_MUTE = f"UPDATE problems SET {', '.join(f'{column} = ?' for column in NOT_MUTED)}, updated_at = ? WHERE id = ?"

_REPORTS_SINCE = f"SELECT {REPORTS_SINCE} FROM problem_minutes WHERE problem_id = :id AND {MINUTE_SINCE}"

MuteEnd = tuple[dict[str, Any], Origin]


def write_events(connection: DatabaseConnection, problems: Iterable[ProblemDelta], releases: KnownReleases) -> None:
    """Write the events of thresholds and mutes, after the counters of the batch, in its transaction."""
    for problem in problems:
        if problem.mute is not None:
            _end_mute(connection, problem, releases)
        if problem.reached is not None and problem.mute is None:
            threshold, origin = problem.reached
            insert_event(connection, "threshold", problem, origin, {"occurrences": threshold})


def insert_event(
    connection: DatabaseConnection, event: str, problem: ProblemDelta, origin: Origin, details: dict[str, Any]
) -> None:
    """Add an event that the report and notice in ``origin`` caused."""
    report, notice_id = origin
    facets = dict(report.facets)
    connection.execute(
        "INSERT INTO problem_events (app_id, problem_id, notice_id, event, environment, release, level, details, "
        "created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            problem.app_id,
            problem.id,
            notice_id,
            event,
            facets.get("environment", ""),
            facets.get(RELEASE_FACET, ""),
            report.level,
            json.dumps(details),
            report.received_at,
        ),
    )


def _end_mute(connection: DatabaseConnection, problem: ProblemDelta, releases: KnownReleases) -> None:
    """End the problem's mute if one of its terms is met."""
    end = _met_term(connection, problem, releases)
    if end is None:
        return
    details, origin = end
    connection.execute(_END_MUTE, (*NOT_MUTED.values(), origin[0].received_at, problem.id))
    connection.execute(
        "UPDATE apps SET muted_problems_count = muted_problems_count - 1 WHERE id = ?", (problem.app_id,)
    )
    problem.mute = None
    insert_event(connection, "unmuted", problem, origin, details)


def _met_term(connection: DatabaseConnection, problem: ProblemDelta, releases: KnownReleases) -> MuteEnd | None:
    """Return the term of the mute that is met, and the report that met it; None while the problem stays muted."""
    mute = problem.mute
    if mute is None or not mute.origins:
        return None
    latest = mute.origins[-1]
    if mute.total is not None and problem.occurrences >= mute.total:
        return {"reason": "occurrences", "occurrences": mute.total}, latest
    if mute.rate is not None:
        since = latest[0].received_at - mute.rate_minutes * MINUTE
        (count,) = connection.execute(_REPORTS_SINCE, {"since": since, "id": problem.id}).fetchone()
        if count >= mute.rate:
            return {"reason": "rate", "occurrences": count, "minutes": mute.rate_minutes}, latest
    if mute.until_release:
        for origin in mute.origins:
            release = dict(origin[0].facets).get(RELEASE_FACET, "")
            if release and releases.first_seen_at(connection, problem.app_id, release) > mute.since:
                return {"reason": "release", "release": release}, origin
    return None
