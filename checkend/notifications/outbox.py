"""The outbox: from events of problems to deliveries, and what becomes of each attempt.

Everything here runs in a write transaction of the notification worker, never in that of a report.
"""

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

from checkend.db.session import db
from checkend.models import App, Channel, Delivery, OutgoingMail, Problem, ProblemEvent
from checkend.models.channel import FAILURES_SHOWN, give_up_pending
from checkend.models.notification_preference import subscribed_members
from checkend.notifications.channel_failure import mail_admins
from checkend.notifications.channels.base import Issue
from checkend.notifications.channels.content import digest_capacity
from checkend.notifications.events import environments_of

EVENTS_PER_STEP = 500
# A burst: when a channel got this many messages within the window, what follows is collected into a digest.
MAX_SINGLE_MESSAGES = 5
DIGEST_WINDOW = timedelta(minutes=5)
LEASE = timedelta(seconds=90)
# Seconds from one attempt to the next, 24 hours in all; each varies by a fifth, so that receivers that were down are
# not hit by everything at once.
RETRY_DELAYS = (30, 120, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800)
MAX_RETRY_AFTER = timedelta(days=1)
REJECTION_STATUSES = frozenset({401, 403, 404})  # the URL or the token is wrong, or was revoked
MAX_REJECTIONS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt. ``error`` is "" for success and contains no secret.

    ``permanent`` means that another attempt would fail as well. ``retry_after`` is what the receiver asked for, in
    seconds.
    """

    error: str = ""
    status: int | None = None
    permanent: bool = False
    retry_after: float | None = None
    issue: Issue | None = None  # the issue that a tracker's channel created or commented on, also if that failed


def expand_events(now: datetime) -> int:
    """Turn up to `EVENTS_PER_STEP` events into deliveries, and delete them. Returns the number of events."""
    events = list(db.session.scalars(select(ProblemEvent).order_by(ProblemEvent.id).limit(EVENTS_PER_STEP)))
    if not events:
        return 0
    apps = {app.id: app for app in db.session.scalars(select(App).where(App.id.in_({e.app_id for e in events})))}
    found = select(Problem.id, Problem.muted_at).where(Problem.id.in_({e.problem_id for e in events}))
    existing = {problem_id: muted_at is not None for problem_id, muted_at in db.session.execute(found)}
    wanted = [
        event
        for event in events
        if event.problem_id in existing and event.app_id in apps and _app_wants(apps[event.app_id], event.event)
        if event.event == "unmuted" or not existing[event.problem_id]
    ]
    statement = select(Channel).where(Channel.app_id.in_({e.app_id for e in wanted}), Channel.enabled)
    for channel in db.session.scalars(statement):
        _queue(channel, [event for event in wanted if event.app_id == channel.app_id], now)
    db.session.execute(delete(ProblemEvent).where(ProblemEvent.id.in_([event.id for event in events])))
    return len(events)


def _app_wants(app: App, event: str) -> bool:
    flags = {"new_problem": app.notify_on_new_problem, "reoccurrence": app.notify_on_reoccurrence}
    return flags.get(event, True)


def _queue(channel: Channel, events: Iterable[ProblemEvent], now: datetime) -> None:
    queues: dict[str, _ReceiverQueue] = {}
    recipients: dict[str, list[str]] = {}
    for event in events:
        if not channel.accepts(event.event, environments_of(event), event.level):
            continue
        if event.event not in recipients:
            recipients[event.event] = recipients_of(channel, event.event)
        for recipient in recipients[event.event]:
            if recipient not in queues:
                queues[recipient] = _ReceiverQueue(channel, recipient, now)
            queues[recipient].add(event)


def queue_event(channel: Channel, event: ProblemEvent, now: datetime) -> None:
    """Add a delivery to each receiver of the channel, or append to the one that collects a burst."""
    for recipient in recipients_of(channel, event.event):
        _ReceiverQueue(channel, recipient, now).add(event)


def recipients_of(channel: Channel, event: str) -> list[str]:
    """Return the email addresses that the channel writes to about ``event``; [""] for kinds with one receiver."""
    if channel.kind != "email":
        return [""]
    configured: list[str] = channel.config.get("recipients", [])
    return configured or [user.email_address for user in subscribed_members(channel.app_id, event)]


class _ReceiverQueue:
    """What is pending for one receiver of a channel, loaded once for all events of a step."""

    def __init__(self, channel: Channel, recipient: str, now: datetime) -> None:
        self._channel, self._recipient, self._now = channel, recipient, now
        self._capacity = digest_capacity(channel.kind)
        to_receiver = [Delivery.channel_id == channel.id, Delivery.recipient == recipient]
        is_put_off = [Delivery.status == "pending", Delivery.attempts == 0, Delivery.next_attempt_at > now]
        statement = select(Delivery).where(*to_receiver, *is_put_off, Delivery.leased_until.is_(None))
        self._collecting = list(db.session.scalars(statement.order_by(Delivery.id)))
        self._collected = {problem_id for delivery in self._collecting for problem_id in delivery.problem_ids}
        self._recent, self._latest = db.session.execute(
            select(func.count(), func.max(Delivery.created_at)).where(
                *to_receiver, Delivery.created_at > now - max(DIGEST_WINDOW, _interval(channel))
            )
        ).one()

    def add(self, event: ProblemEvent) -> None:
        """Add a delivery that is due now, or append to the one that collects a burst.

        A delivery that is put off becomes a digest with its second problem. Once a digest names as many problems as fit
        into a message of the channel's kind, another one is begun. One that is due is not appended to: it may be an
        ended one that was queued again, whose message id the receiver knows.
        """
        if (waiting := self._waiting_for(event.problem_id)) is not None:
            _append(waiting, event)
            self._collected.add(event.problem_id)
            return
        due = self._due()
        delivery = Delivery(
            channel_id=self._channel.id,
            recipient=self._recipient,
            event=event.event,
            problem_ids=[event.problem_id],
            notice_id=event.notice_id,
            environment=event.environment,
            release=event.release,
            details=event.details or {},
            next_attempt_at=due,
            created_at=self._now,
        )
        db.session.add(delivery)
        self._recent, self._latest = self._recent + 1, self._now
        if due > self._now:
            self._collecting.append(delivery)
            self._collected.add(event.problem_id)

    def _waiting_for(self, problem_id: int) -> Delivery | None:
        """Return the delivery that has, or has room for, the problem; None if another one has to be begun."""
        if problem_id in self._collected:
            return next(delivery for delivery in self._collecting if problem_id in delivery.problem_ids)
        if self._collecting and len(self._collecting[-1].problem_ids) < self._capacity:
            return self._collecting[-1]
        return None

    def _due(self) -> datetime:
        """Return when the next delivery is due; after a full digest, at the same time."""
        if self._collecting and self._collecting[-1].next_attempt_at:
            return self._collecting[-1].next_attempt_at
        due = self._now if self._latest is None else self._latest + _interval(self._channel)
        if self._recent >= MAX_SINGLE_MESSAGES:
            due = max(due, self._now + DIGEST_WINDOW)
        return max(due, self._now)


def _append(delivery: Delivery, event: ProblemEvent) -> None:
    """Add an event to a delivery that waits. A digest counts its events; of equal ones, the latest details remain."""
    if delivery.event == event.event and delivery.problem_ids == [event.problem_id]:
        delivery.details = event.details or {}
        return
    # A digest that an earlier version began has no counts, and stays without them.
    counts = {delivery.event: 1} if delivery.event != "digest" else delivery.details.get("events")
    if counts:
        delivery.details = {"events": counts | {event.event: counts.get(event.event, 0) + 1}}
    delivery.event = "digest"
    if event.problem_id not in delivery.problem_ids:
        delivery.problem_ids = [*delivery.problem_ids, event.problem_id]


def _interval(channel: Channel) -> timedelta:
    return timedelta(seconds=channel.min_interval_seconds)


def is_due(now: datetime, row: type[Delivery] | type[OutgoingMail] = Delivery) -> ColumnElement[bool]:
    """Return the condition for deliveries, or mail, that can be attempted at ``now``.

    A time far in the future was left by a clock that was ahead: it counts as past.
    """
    is_time = or_(row.next_attempt_at <= now, row.next_attempt_at > now + 2 * MAX_RETRY_AFTER)
    is_free = or_(row.leased_until.is_(None), row.leased_until <= now, row.leased_until > now + 2 * LEASE)
    return and_(row.status == "pending", is_time, is_free)


def lease_due(now: datetime, limit: int, busy_channels: Collection[int]) -> list[tuple[int, int]]:
    """Reserve up to ``limit`` deliveries that are due, at most one per channel that is not busy.

    Returns their ids, each with the id of its channel. A lease ends by itself after `LEASE`, so that a delivery is
    attempted again when the process that leased it was killed: at least once, with the same message id.
    """
    first = (
        select(func.min(Delivery.id))
        .where(is_due(now), Delivery.channel_id.not_in(busy_channels))
        .group_by(Delivery.channel_id)
        .limit(limit)
    )
    leased = list(db.session.scalars(select(Delivery).where(Delivery.id.in_(first)).order_by(Delivery.next_attempt_at)))
    for delivery in leased:
        delivery.leased_until = now + LEASE
    return [(delivery.id, delivery.channel_id) for delivery in leased]


def record_outcome(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    """Note what became of an attempt: delivered, to be tried again, or failed for good.

    A receiver that responds 410 disables its channel at once; 401, 403 or 404 three times in a row do so as well,
    since the URL or the token is wrong.
    """
    channel = delivery.channel
    delivery.attempts += 1
    delivery.leased_until, delivery.last_status, delivery.last_error = None, outcome.status, outcome.error or None
    if not outcome.error:
        delivery.status, delivery.next_attempt_at, delivery.delivered_at = "delivered", None, now
        channel.failures, channel.rejections, channel.last_delivered_at, channel.last_error = 0, 0, now, None
        return
    channel.failures += 1
    channel.last_failed_at, channel.last_error = now, outcome.error
    channel.rejections = channel.rejections + 1 if outcome.status in REJECTION_STATUSES else 0
    rejected_for_good = outcome.status == 410 or channel.rejections >= MAX_REJECTIONS
    if rejected_for_good:
        channel.enabled = False
        give_up_pending([channel])
    if channel.failures == FAILURES_SHOWN or (rejected_for_good and channel.failures < FAILURES_SHOWN):
        mail_admins(channel)  # once until the channel works again, which resets the count
    if outcome.permanent or rejected_for_good:
        delivery.status, delivery.next_attempt_at = "failed", None
    elif delivery.attempts > len(RETRY_DELAYS):
        delivery.status, delivery.next_attempt_at = "gave_up", None
    elif delivery.status == "pending":  # else the channel was disabled in the meantime
        delivery.next_attempt_at = now + retry_delay(delivery.attempts, outcome.retry_after)


def retry_delay(attempts: int, retry_after: float | None) -> timedelta:
    """Return how long to wait after the given number of attempts, or as long as the receiver asked for."""
    delay = timedelta(seconds=RETRY_DELAYS[attempts - 1] * random.uniform(0.8, 1.2))
    asked = min(timedelta(seconds=retry_after or 0), MAX_RETRY_AFTER)
    return max(delay, asked)
