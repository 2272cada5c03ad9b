"""Sending a test notification at once, outside of the outbox."""

from flask import current_app

from checkend import clock
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import Channel
from checkend.notifications.outbox import Outcome, recipients_of
from checkend.notifications.sender import Sender
from checkend.notifications.summaries import test_notification


def send_test(channel: Channel) -> Outcome:
    """Send a real notification through the channel, to each of its receivers, and note the result on the channel.

    Takes up to 20 s per receiver; stops at the first failure. Opens its own write transaction.
    """
    sender = Sender(current_app._get_current_object())  # type: ignore[attr-defined]  # the app behind the proxy
    notification = test_notification(channel.app, current_app.config["URL"])
    recipients = recipients_of(channel, "test")
    channel_id = channel.id
    db.session.expunge_all()
    db.session.rollback()  # no read transaction stays open while the receiver takes its time
    outcome = Outcome("The channel has no recipients: the app's teams have no members, or all of them opted out.")
    for recipient in recipients:
        outcome = sender.send(channel, recipient, notification)
        if outcome.error:
            break
    with write_transaction():
        row = db.session.get(Channel, channel_id)
        if row is not None:
            row.note_test(outcome.error, clock.now())
    return outcome
