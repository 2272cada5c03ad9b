"""From a delivery in the outbox to the message that it sends, as of now."""

from typing import Any

from sqlalchemy import select

from checkend import clock
from checkend.db.session import db
from checkend.grouping.frames import FrameOrigin, classify_frame
from checkend.grouping.languages import detect_language
from checkend.grouping.stacktrace import frame_text, parse_stacktrace
from checkend.models import App, Delivery, Notice, Problem
from checkend.models.notice import latest_notices
from checkend.models.problem import details_options
from checkend.notifications.message import AppSummary, Event, Notification, ProblemSummary, remark_on
from checkend.schemas.problem import ProblemSchema

MAX_FRAMES = 5
MAX_DIGEST_RESOURCES = 1_000


def build_notification(delivery: Delivery, base_url: str) -> Notification | None:
    """Return the message for ``delivery``; None when all problems it is about have been deleted or muted meanwhile.

    ``base_url`` is this server's URL without a trailing slash, "" when it is not known: then messages have no links.
    """
    app = delivery.channel.app
    event = Event(delivery.event)
    statement = select(Problem).where(Problem.id.in_(delivery.problem_ids)).options(*details_options())
    if event is not Event.UNMUTED:
        statement = statement.where(Problem.muted_at.is_(None))
    wanted = {problem.id: problem for problem in db.session.scalars(statement)}
    problems = [wanted[problem_id] for problem_id in delivery.problem_ids if problem_id in wanted]
    if not problems and event is not Event.TEST:
        return None
    details = delivery.details
    if event is Event.DIGEST and len(problems) == 1 and set(details.get("events", ())) <= {Event.NEW_PROBLEM}:
        event, details = Event.NEW_PROBLEM, {}  # the others have been deleted or muted
    summaries = [_summarize(problem, delivery, base_url) for problem in problems[:MAX_DIGEST_RESOURCES]]
    minutes = max(1, round((clock.now() - delivery.created_at).total_seconds() / 60))
    list_url = f"{base_url}/apps/{app.slug}/problems?sort=recent" if base_url else ""
    return Notification(
        id=delivery.message_id,
        event=event,
        app=AppSummary(app.id, app.name, app.slug, f"{base_url}/apps/{app.slug}" if base_url else ""),
        created_at=delivery.created_at,
        problems=tuple(summaries),
        count=len(problems),
        period_minutes=minutes,
        url=summaries[0].url if summaries and event is not Event.DIGEST else list_url,
        details=details,
    )


def _summarize(problem: Problem, delivery: Delivery, base_url: str) -> ProblemSummary:
    is_single = len(delivery.problem_ids) == 1
    notice = _notice(problem, delivery) if is_single else None
    frames = in_app_frames(notice) if notice else ()
    environment, release = (delivery.environment, delivery.release) if is_single else ("", "")
    return ProblemSummary(
        id=problem.id,
        error_class=problem.error_class,
        message=problem.error_message or "",
        culprit=problem.location,
        environment=environment,
        release=release,
        occurrences=problem.occurrences,
        first_seen_at=problem.first_noticed_at,
        last_seen_at=problem.last_noticed_at,
        url=f"{base_url}/problems/{problem.id}" if base_url else "",
        frames=frames,
        resource=ProblemSchema().dump(problem),
        notice=_notice_resource(notice, environment, release, frames) if notice else {},
        remark=remark_on(Event(delivery.event), delivery.details),
    )


def _notice(problem: Problem, delivery: Delivery) -> Notice | None:
    notice = db.session.get(Notice, delivery.notice_id) if delivery.notice_id else None
    if notice is not None and notice.problem_id == problem.id:
        return notice
    return next(iter(latest_notices(problem, 1)), None)


def _notice_resource(notice: Notice, environment: str, release: str, frames: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": notice.id,
        "occurred_at": clock.iso(notice.occurred_at),
        "environment": environment or None,
        "release": release or None,
        "message": notice.error_message,
        "frames": list(frames),
    }


def in_app_frames(notice: Notice) -> tuple[str, ...]:
    """Return up to `MAX_FRAMES` in-app frames as text, innermost first; of a trace without any, the innermost ones."""
    frames = parse_stacktrace(notice.raw_backtrace)
    language = detect_language(notice.notifier, frames)
    ordered = language.innermost_first(frames)
    in_app = [frame for frame in ordered if classify_frame(frame, language) is FrameOrigin.APPLICATION]
    return tuple(frame_text(frame) for frame in (in_app or ordered)[:MAX_FRAMES])


def test_notification(app: App, base_url: str) -> Notification:
    """Return the message that the test button sends."""
    url = f"{base_url}/apps/{app.slug}" if base_url else ""
    summary = AppSummary(app.id, app.name, app.slug, url)
    return Notification(f"msg_test_{clock.to_micros(clock.now())}", Event.TEST, summary, clock.now(), url=url)
