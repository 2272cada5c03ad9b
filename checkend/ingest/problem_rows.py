"""The rows of problems, as ingestion finds, opens and labels them; in plain statements on a DBAPI connection."""

import logging
from typing import TYPE_CHECKING

from checkend.db.connection import DatabaseConnection, last_row_id
from checkend.ingest.counters import ProblemDelta
from checkend.ingest.quota import OVERFLOW_CLASS, OVERFLOW_FINGERPRINT, OVERFLOW_REASON, StorageLimits
from checkend.models.search_index import search_text
from checkend.scrubbing.scrubber import truncate

if TYPE_CHECKING:
    from checkend.ingest.store import NoticeContent, PreparedReport

# What a problem keeps of a class and a message, in characters. A notice whose own is longer keeps it whole.
CLASS_LENGTH = 500
MESSAGE_LENGTH = 2_000

log = logging.getLogger("checkend.store")


def find_problem(connection: DatabaseConnection, app_id: int, fingerprint: str) -> ProblemDelta | None:
    """Return the app's problem with the fingerprint; None when there is none."""
    row = connection.execute(
        "SELECT id, error_class, error_message, status, first_noticed_at, last_noticed_at, latest_message, "
        "search_pending FROM problems WHERE app_id = ? AND fingerprint = ?",
        (app_id, fingerprint),
    ).fetchone()
    if row is None:
        return None
    problem_id, error_class, message, status, first, last, latest, pending = row
    found = ProblemDelta(problem_id, app_id, error_class, message, status == "resolved", first, last, message, pending)
    if latest is not None:
        found.latest_message = latest
    found.overflow = fingerprint == OVERFLOW_FINGERPRINT
    return found


def insert_problem(
    connection: DatabaseConnection,
    key: tuple[int, str],
    report: "PreparedReport",
    content: "NoticeContent",
    limits: StorageLimits,
) -> ProblemDelta:
    """Open the problem of the app and fingerprint in ``key`` with its first report; it has no occurrences yet."""
    app_id, fingerprint = key
    error_class, message = _truncate(report.error_class, CLASS_LENGTH), _truncate(report.error_message, MESSAGE_LENGTH)
    reason, location = content.grouping_reason, content.location
    overflow = fingerprint == OVERFLOW_FINGERPRINT
    if overflow:
        error_class, message = OVERFLOW_CLASS, limits.overflow_message()
        reason, location = OVERFLOW_REASON, ""
        log.warning("app %d may have no more problems (CHECKEND_MAX_APP_PROBLEMS): new ones are collected", app_id)
    at, now = report.occurred_at, report.received_at
    cursor = connection.execute(
        "INSERT INTO problems (app_id, error_class, error_message, fingerprint, grouping_version, grouping_reason, "
        "location, search_text, status, notices_count, deduplicated_count, first_noticed_at, last_noticed_at, "
        "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'unresolved', 0, 0, ?, ?, ?, ?)",
        (
            app_id,
            error_class,
            message,
            fingerprint,
            content.grouping_version,
            reason,
            location,
            search_text(error_class, message),
            at,
            at,
            now,
            now,
        ),
    )
    opened = ProblemDelta(last_row_id(cursor), app_id, error_class, message, False, at, at, message)
    opened.overflow, opened.is_new = overflow, True
    return opened


def update_latest_message(connection: DatabaseConnection, problem: ProblemDelta, report: "PreparedReport") -> None:
    """Have the problem show the message of the notice just stored, if none that is stored occurred later."""
    message = _truncate(report.error_message, MESSAGE_LENGTH)
    if message == problem.latest_message or problem.overflow:
        return
    if report.occurred_at < problem.last:  # of which a duplicate, which is not stored, may be the reason
        (latest,) = connection.execute(
            "SELECT max(occurred_at) FROM notices WHERE problem_id = ?", (problem.id,)
        ).fetchone()
        if report.occurred_at < latest:
            return
    problem.latest_message, problem.relabeled = message, True


def _truncate(text: str, limit: int) -> str:
    return text if len(text) <= limit else truncate(text, limit)
