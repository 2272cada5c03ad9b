"""The reports of one transaction, each stored as a notice or counted as a duplicate."""

from checkend.db.compression import compress
from checkend.db.connection import DatabaseConnection
from checkend.ingest.apps import find_app
from checkend.ingest.dedup import BatchDedup
from checkend.ingest.exceptions import NotDuplicateError, StaleKeyError
from checkend.ingest.problem_delta import ProblemDelta
from checkend.ingest.problem_rows import find_problem, insert, insert_problem, update_latest
from checkend.ingest.quota import OVERFLOW_FINGERPRINT, Quota, StorageLimits
from checkend.ingest.reports import IngestApp, IngestResult, NoticeContent, PreparedReport
from checkend.ingest.triggers import insert_event
from checkend.models.storage import NOTICE_BYTES

# µs by which the time of a problem's last occurrence may be in the future, as after a small correction of the clock.
_CLOCK_TOLERANCE_MICROS = 3_600_000_000


class Batch:
    """The work of one transaction. Counters are collected in ``problems`` and ``quota``, and written afterwards."""

    def __init__(self, connection: DatabaseConnection, dedup: BatchDedup, quota: Quota, limits: StorageLimits) -> None:
        self._connection = connection
        self._dedup = dedup
        self._limits = limits
        self._is_current: dict[IngestApp, bool] = {}
        self.quota = quota
        self.problems: dict[tuple[int, str], ProblemDelta] = {}

    def process(self, report: PreparedReport) -> IngestResult | Exception:
        """Store or count a report, or return the reason why it was left out."""
        app = report.app
        if not (self._is_current[app] if app in self._is_current else self._check_app(app)):
            return StaleKeyError()
        key, problem = self._find_problem(report)
        original = self._dedup.find(problem, report) if problem else None
        if original is not None:
            assert problem is not None  # without a problem there are no duplicates
            self.problems[key] = problem
            problem.add(report, original.notice_id)
            original.count += 1
            problem.duplicates += 1
            return IngestResult(original.notice_id, problem.id, True, original.count)
        if report.content is None:
            return NotDuplicateError()
        return self._store(key, problem, report, report.content)

    def _check_app(self, app: IngestApp) -> bool:
        """Return whether the app is unchanged since the report was prepared."""
        row = find_app(self._connection, app.ingestion_key)
        self._is_current[app] = row is not None and row[0] == app
        if row is not None:
            current, problems, stored_bytes = row
            self.quota.start(current.app_id, problems=problems, stored_bytes=stored_bytes)
        return self._is_current[app]

    def _find_problem(self, report: PreparedReport) -> tuple[tuple[int, str], ProblemDelta | None]:
        """Return the key of the report's problem, app and fingerprint, and the problem if it exists.

        An app that has as many problems as allowed collects further ones in its overflow problem.
        """
        app_id = report.app.app_id
        key = (app_id, report.fingerprint)
        problem = self.problems.get(key) or self._load_problem(key, report)
        if problem is None and self.quota.has_all_problems(app_id):
            key = (app_id, OVERFLOW_FINGERPRINT)
            problem = self.problems.get(key) or self._load_problem(key, report)
        return key, problem

    def _load_problem(self, key: tuple[int, str], report: PreparedReport) -> ProblemDelta | None:
        problem = find_problem(self._connection, *key)
        if problem is None:
            return None
        if problem.last > report.received_at + _CLOCK_TOLERANCE_MICROS:
            problem.last = report.occurred_at  # the stored time comes from a clock that was ahead
        problem.counts_minutes = problem.counts_minutes or report.app.counts_minutes
        return problem

    def _store(
        self, key: tuple[int, str], problem: ProblemDelta | None, report: PreparedReport, content: NoticeContent
    ) -> IngestResult | Exception:
        app_id = report.app.app_id
        details = compress(content.details)
        backtrace_id, backtrace = self._find_backtrace(report.digest, content)
        size = NOTICE_BYTES + len(details) + (len(backtrace) if backtrace else 0)
        if rejection := self.quota.check(app_id, size):
            return rejection
        opened = problem is None
        if problem is None:
            problem = insert_problem(self._connection, key, report, content, self._limits)
            self.quota.add_problem(app_id)
        self.problems[key] = problem
        reopened = problem.resolved
        if reopened:
            problem.resolved, problem.reopened_at = False, report.received_at
        if backtrace is not None:
            statement = "INSERT INTO backtraces (digest, packed, app_id) VALUES (?, ?, ?)"
            backtrace_id = insert(self._connection, statement, (report.digest, backtrace, app_id))
        notice_id = self._insert_notice(problem, report, details, backtrace_id, size)
        problem.add(report, notice_id)
        problem.notices += 1
        if opened or reopened:
            event = "new_problem" if opened else "reoccurrence"
            insert_event(self._connection, event, problem, (report, notice_id), {})
        update_latest(self._connection, problem, report)
        self._dedup.add(problem, report, notice_id)
        return IngestResult(notice_id, problem.id, False, 1, opened, reopened)

    def _find_backtrace(self, digest: bytes | None, content: NoticeContent) -> tuple[int | None, bytes | None]:
        """Return the id of an equal backtrace that is stored already, or the new one, compressed; or neither."""
        if digest is None:
            return None, None
        row = self._connection.execute("SELECT id FROM backtraces WHERE digest = ?", (digest,)).fetchone()
        return (row[0], None) if row is not None else (None, compress(content.backtrace))

    def _insert_notice(
        self, problem: ProblemDelta, report: PreparedReport, details: bytes, backtrace_id: int | None, size: int
    ) -> int:
        """Insert the notice and return its id. ``size`` is the bytes of everything but its own class and message."""
        own_class = None if report.error_class == problem.error_class else report.error_class
        own_message = None if report.error_message == problem.error_message else report.error_message
        for text in (own_class, own_message):
            if text is not None:
                size += len(text) if text.isascii() else len(text.encode())
        self.quota.add_bytes(problem.app_id, size)
        return insert(
            self._connection,
            "INSERT INTO notices (problem_id, backtrace_id, own_error_class, own_error_message, occurred_at, "
            "created_at, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (problem.id, backtrace_id, own_class, own_message, report.occurred_at, report.received_at, details),
        )
