"""The link between the problems of a notification and the issue at a tracker. Runs in write transactions."""

from datetime import timedelta

from checkend.models import Delivery, ProblemIssue
from checkend.notifications.channels.base import Issue, IssueLink
from checkend.notifications.message import Event, Notification

CLOCK_DIFFERENCE = timedelta(minutes=10)  # between this server and a tracker


def prepare_issue(delivery: Delivery, notification: Notification) -> IssueLink:
    """Return the link to the notification's issue, which later attempts get as well.

    The issue of several problems belongs to the delivery, and becomes that of each problem without one.
    """
    if notification.event is Event.TEST or len(notification.problems) > 1:
        return IssueLink(delivery.message_id, delivery.created_at - CLOCK_DIFFERENCE)
    row = ProblemIssue.prepare(notification.problems[0].id, delivery.channel_id)
    return IssueLink(row.marker, row.created_at - CLOCK_DIFFERENCE, row.number)


def record_issue(delivery: Delivery, notification: Notification, issue: Issue) -> None:
    """Link the problems of the notification to the issue."""
    ids = [problem.id for problem in notification.problems]
    ProblemIssue.link(ids, delivery.channel_id, issue.number, issue.url)
