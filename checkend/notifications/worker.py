"""The thread that turns events into deliveries, and the threads that send them."""

import logging
import threading
import time
from datetime import timedelta

from flask import Flask, g
from sqlalchemy import select

from checkend import clock
from checkend.db.session import REQUEST_LOCK_SECONDS, db
from checkend.db.transactions import write_transaction
from checkend.models import Delivery, ProblemEvent
from checkend.models.channel import delete_old_deliveries
from checkend.models.outgoing_mail import delete_old_mail
from checkend.notifications import mail_worker
from checkend.notifications.channels.kinds import TRACKER_KINDS
from checkend.notifications.events import end_mutes, mutes_ending
from checkend.notifications.issue_links import prepare_issue, record_issue
from checkend.notifications.outbox import expand_events, is_due, lease_due, record_outcome
from checkend.notifications.sender import Sender
from checkend.notifications.spikes import delete_minutes, find_changes, outdated_minutes, record_changes
from checkend.notifications.summaries import build_notification

POLL_SECONDS = 1.0
THREADS = 4
STOP_SECONDS = 2.0
CLEANUP_INTERVAL = timedelta(hours=1)
SPIKE_INTERVAL = timedelta(seconds=5)
PRUNING_INTERVAL = timedelta(minutes=1)

log = logging.getLogger("checkend.notifications")


class NotificationWorker:
    """Delivers the notifications of one server, from `start` to `stop`.

    Ingestion knows nothing of it: reports leave rows in ``problem_events``, which this thread polls. Nothing is lost
    when the process is killed at any point. An event becomes deliveries in the transaction that deletes it; a delivery
    that was leased but not recorded is sent again when its lease ends, with the same message id.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._sender = Sender(app)
        self._stopping = threading.Event()
        self._mail = mail_worker.MailWorker(app, self._stopping)
        self._thread: threading.Thread | None = None
        self._busy: set[int] = set()
        self._guard = threading.Lock()
        self._cleaned_up_at = self._checked_spikes_at = self._pruned_minutes_at = clock.EPOCH
        self.delivered = 0
        self.failed = 0

    def start(self) -> None:
        """Start polling; for a process that serves."""
        self._thread = threading.Thread(target=self._work, name="checkend-notifications", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop polling, and wait up to `STOP_SECONDS` for what is being sent; the next start sends the rest."""
        deadline = time.monotonic() + STOP_SECONDS
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        while self.sending and time.monotonic() < deadline:
            time.sleep(0.02)

    @property
    def sending(self) -> int:
        """Return how many channels are being sent to at the moment; mail about accounts counts as one."""
        with self._guard:
            return len(self._busy) + self._mail.sending

    def has_due(self) -> bool:
        """Return whether an event, a delivery or a mail waits for the next run."""
        with self._app.app_context():
            has_event = db.session.scalar(select(ProblemEvent.id).limit(1)) is not None
            return has_event or self._any_pending() or mail_worker.has_due()

    def run_once(self) -> None:
        """Expand events, and hand what is due to the sending threads.

        Errors of the database are logged, and the next run tries again.
        """
        try:
            with self._app.app_context():
                g.timeout_seconds = REQUEST_LOCK_SECONDS
                self._end_mutes()
                self._expand()
                self._check_spikes()
                self._prune_minutes()
                self._clean_up()
                self._mail.run_once()
                for delivery_id, channel_id in self._lease():
                    self._submit(delivery_id, channel_id)
        except Exception as error:  # a full disk, say: nothing is lost, the rows wait
            log.error("notifications are delayed: %s", error)

    def _work(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            self.run_once()

    def _end_mutes(self) -> None:
        while mutes_ending(now := clock.now()):
            with write_transaction():
                end_mutes(now)

    def _check_spikes(self) -> None:
        now = clock.now()
        if abs(now - self._checked_spikes_at) < SPIKE_INTERVAL:
            return
        self._checked_spikes_at = now
        if find_changes(now):
            with write_transaction():
                record_changes(now)

    def _expand(self) -> None:
        while db.session.scalar(select(ProblemEvent.id).limit(1)) is not None:
            with write_transaction():
                expand_events(clock.now())

    def _clean_up(self) -> None:
        now = clock.now()
        if abs(now - self._cleaned_up_at) < CLEANUP_INTERVAL:
            return
        with write_transaction():
            delete_old_deliveries()
            delete_old_mail()
        self._cleaned_up_at = now

    def _prune_minutes(self) -> None:
        now = clock.now()
        if abs(now - self._pruned_minutes_at) < PRUNING_INTERVAL:
            return
        while keys := outdated_minutes(now):
            with write_transaction():
                delete_minutes(keys)
        self._pruned_minutes_at = now

    def _lease(self) -> list[tuple[int, int]]:
        with self._guard:
            busy = set(self._busy)
        free = THREADS - len(busy)
        if free <= 0 or not self._any_pending():
            return []
        with write_transaction():
            return lease_due(clock.now(), free, busy)

    def _any_pending(self) -> bool:
        # Without this, an idle server would take the write lock every second.
        return db.session.scalar(select(Delivery.id).where(is_due(clock.now())).limit(1)) is not None

    def _submit(self, delivery_id: int, channel_id: int) -> None:
        with self._guard:
            self._busy.add(channel_id)
        # A daemon, unlike the threads of an executor: a receiver that hangs must not hold up the end of the process.
        arguments = (delivery_id, channel_id)
        threading.Thread(target=self._deliver, args=arguments, name="checkend-delivery", daemon=True).start()

    def _deliver(self, delivery_id: int, channel_id: int) -> None:
        try:
            with self._app.app_context():
                g.timeout_seconds = REQUEST_LOCK_SECONDS
                self._attempt(delivery_id)
        except Exception:
            log.exception("delivery %d was interrupted; it is attempted again when its lease ends", delivery_id)
        finally:
            with self._guard:
                self._busy.discard(channel_id)

    def _attempt(self, delivery_id: int) -> None:
        delivery = db.session.get(Delivery, delivery_id)
        if delivery is None:  # its channel was deleted
            return
        notification = build_notification(delivery, self._app.config["URL"])
        if notification is None:
            with write_transaction():
                delivery.give_up("The problem was deleted or muted before the notification was sent.")
            return
        channel, recipient = delivery.channel, delivery.recipient
        link = None
        if channel.kind in TRACKER_KINDS:
            with write_transaction():
                link = prepare_issue(delivery, notification)
            db.session.refresh(channel)  # the transaction expired what was loaded
        db.session.expunge_all()  # what is loaded is enough
        db.session.rollback()  # no read transaction stays open while the receiver takes its time
        outcome = self._sender.send(channel, recipient, notification, link)
        with write_transaction():
            delivery = db.session.get(Delivery, delivery_id)
            if delivery is not None:
                record_outcome(delivery, outcome, clock.now())
                if outcome.issue is not None:
                    record_issue(delivery, notification, outcome.issue)
        if outcome.error:
            self.failed += 1
            log.warning("delivery %d through channel %d failed: %s", delivery_id, channel.id, outcome.error)
        else:
            self.delivered += 1
