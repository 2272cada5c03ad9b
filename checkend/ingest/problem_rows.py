"""Find, create and label problems for ingestion, in plain statements on a DBAPI connection."""

import logging
from typing import Any

from checkend.db.connection import DatabaseConnection, last_row_id
from checkend.ingest.problem_delta import Mute, ProblemDelta
from checkend.ingest.quota import OVERFLOW_CLASS, OVERFLOW_FINGERPRINT, OVERFLOW_REASON, StorageLimits
from checkend.ingest.reports import NoticeContent, PreparedReport
from checkend.models.search_index import search_text
from checkend.scrubbing.scrubber import truncate

# Characters of a problem's class and message. A notice with a longer one has all of it.
_MAX_CLASS_LENGTH = 500
_MAX_MESSAGE_LENGTH = 2_000

log = logging.getLogger("checkend.store")


def find_problem(connection: DatabaseConnection, app_id: int, fingerprint: str) -> ProblemDelta | None:
    """Return the app's problem with the fingerprint, or None."""
    row = connection.execute(
        "SELECT id, error_class, error_message, status, first_noticed_at, last_noticed_at, latest_message, level, "
        "search_pending, notices_count + deduplicated_count, muted_at, mute_total, mute_rate, mute_rate_minutes, "
        "mute_until_release FROM problems WHERE app_id = ? AND fingerprint = ?",
        (app_id, fingerprint),
    ).fetchone()
    if row is None:
        return None
    problem_id, error_class, message, status, first, last, latest, level, pending, occurrences, muted_at, *terms = row
    latest = message if latest is None else latest
    mute = None if muted_at is None else Mute(muted_at, *terms)
    return ProblemDelta(
        problem_id,
        app_id,
        error_class,
        message,
        status == "resolved",
        first,
        last,
        latest,
        level,
        pending,
        overflow=fingerprint == OVERFLOW_FINGERPRINT,
        occurrences=occurrences,
        next_threshold=10 ** len(str(occurrences)),
        mute=mute,
        counts_minutes=mute is not None and mute.rate is not None,
    )


def insert_problem(
    connection: DatabaseConnection,
    key: tuple[int, str],
    report: PreparedReport,
    content: NoticeContent,
    limits: StorageLimits,
) -> ProblemDelta:
    """Create the problem of the app and fingerprint in ``key``, without occurrences, for its first report."""
    app_id, fingerprint = key
    is_overflow = fingerprint == OVERFLOW_FINGERPRINT
    if is_overflow:
        error_class, message = OVERFLOW_CLASS, limits.overflow_message()
        reason, location = OVERFLOW_REASON, ""
        log.warning("app %d has CHECKEND_MAX_APP_PROBLEMS problems; reports of new ones are collected in one", app_id)
    else:
        error_class = truncate(report.error_class, _MAX_CLASS_LENGTH)
        message = truncate(report.error_message, _MAX_MESSAGE_LENGTH)
        reason, location = content.grouping_reason, content.location
    level = None if is_overflow else report.level
    at, now = report.occurred_at, report.received_at
    problem_id = insert(
        connection,
        "INSERT INTO problems (app_id, error_class, error_message, fingerprint, grouping_version, grouping_reason, "
        "location, search_text, level, status, notices_count, deduplicated_count, first_noticed_at, last_noticed_at, "
        "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'unresolved', 0, 0, ?, ?, ?, ?)",
        (
            app_id,
            error_class,
            message,
            fingerprint,
            content.grouping_version,
            reason,
            location,
            search_text(error_class, location, message),
            level,
            at,
            at,
            now,
            now,
        ),
    )
    return ProblemDelta(
        problem_id,
        app_id,
        error_class,
        message,
        False,
        at,
        at,
        message,
        level,
        overflow=is_overflow,
        is_new=True,
        counts_minutes=report.app.counts_minutes,
    )


def update_latest(connection: DatabaseConnection, problem: ProblemDelta, report: PreparedReport) -> None:
    """Give the problem the message and level of the notice just stored, unless a stored notice occurred later."""
    message = truncate(report.error_message, _MAX_MESSAGE_LENGTH)
    if (message == problem.latest_message and report.level == problem.level) or problem.overflow:
        return
    if report.occurred_at < problem.last:  # that may be the time of a duplicate, which is not stored
        (latest,) = connection.execute(
            "SELECT max(occurred_at) FROM notices WHERE problem_id = ?", (problem.id,)
        ).fetchone()
        if report.occurred_at < latest:
            return
    if message != problem.latest_message:
        problem.latest_message, problem.relabeled = message, True
    if report.level != problem.level:
        problem.level, problem.level_changed = report.level, True


def insert(connection: DatabaseConnection, statement: str, values: tuple[Any, ...]) -> int:
    """Execute an INSERT of one row, and return the row's id."""
    return last_row_id(connection.execute(statement, values))
