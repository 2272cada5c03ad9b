"""Delivering to an issue tracker: one issue per problem, then comments, each at most once."""

import json
import time
from datetime import datetime, timedelta
from typing import Any, Protocol

from checkend.exceptions import CheckendError
from checkend.notifications import http
from checkend.notifications.channels import issue_text
from checkend.notifications.channels.base import Issue, IssueLink, IssueTracker, OutgoingRequest
from checkend.notifications.message import Event, Notification

TRACKER_SECONDS = 20.0  # for all requests of an attempt, well below the lease of a delivery
_GONE = frozenset({301, 404, 410})  # an issue that was deleted or moved to another repository
_COMMENT_WINDOW = timedelta(minutes=10)


class Send(Protocol):
    """Sends a request, as `http.send` does."""

    def __call__(self, request: OutgoingRequest, *, timeout: float) -> http.HttpResponse:
        """Return the response, whatever its status."""


class TrackerRejectedError(Exception):
    """The tracker responded with another status than 2xx."""

    def __init__(self, response: http.HttpResponse) -> None:
        super().__init__(response.status)
        self.response = response


class UnreadableResponseError(CheckendError):
    """The tracker responded with something else than expected."""


class ResponseTooLargeError(UnreadableResponseError):
    """The response of the tracker exceeds the limit."""


class TrackerSession:
    """The requests of one attempt. ``issue`` is the issue once it is known, ``status`` that of the last response."""

    def __init__(
        self, tracker: IssueTracker, send: Send, config: dict[str, Any], secrets: dict[str, Any], *, deadline: float
    ) -> None:
        self._tracker = tracker
        self._send = send
        self._settings = (config, secrets)
        self._deadline = deadline
        self.status: int | None = None
        self.issue: Issue | None = None

    def deliver(self, notification: Notification, link: IssueLink | None) -> Issue | None:
        """Create the issue, or comment on it if another notification did; return it, or None for a test.

        Another attempt with the same notification changes nothing: the issue or the comment contains its id. A test
        leaves a closed issue.
        """
        if link is None or notification.event is Event.TEST:
            issue = self._create(notification, notification.id)
            self._call(self._tracker.set_state(*self._settings, issue.number, closed=True))
            return None
        self.issue = self._linked(link) or self._find(link)
        if self.issue is None:
            self.issue = self._create(notification, link.marker)
        elif issue_text.marker("message", notification.id) not in self.issue.body:
            self._comment(notification, self.issue)
        return self.issue

    def _linked(self, link: IssueLink) -> Issue | None:
        """Return the issue that an earlier notification created; None if there was none, or if it was deleted."""
        if link.number is None:
            return None
        try:
            return self._parse(self._call(self._tracker.read(*self._settings, link.number)))
        except TrackerRejectedError as error:
            if error.response.status in _GONE:
                return None
            raise

    def _find(self, link: IssueLink) -> Issue | None:
        """Return the oldest issue with the marker: later ones can be copies by others, who know it by then."""
        wanted = issue_text.marker("issue", link.marker)
        try:
            issues = self._newest(link.since, self._tracker.PER_PAGE)
        except ResponseTooLargeError:
            issues = self._newest(link.since, 1)
        return min((issue for issue in issues if wanted in issue.body), key=lambda issue: issue.number, default=None)

    def _newest(self, since: datetime, per_page: int) -> list[Issue]:
        issues = list[Issue]()
        for page in range(1, self._tracker.MAX_ISSUES // per_page + 1):
            resources = self._list(self._tracker.find(*self._settings, since, page, per_page))
            issues += [self._parse(resource) for resource in resources]
            if len(resources) < per_page:
                break
        return issues

    def _create(self, notification: Notification, marker: str) -> Issue:
        body = issue_text.body(notification, marker, self._tracker.BODY_LIMIT)
        request = self._tracker.create(*self._settings, issue_text.title(notification), body)
        return self._parse(self._call(request))

    def _comment(self, notification: Notification, issue: Issue) -> None:
        """Add the comment unless it is there, and reopen the issue of a problem that occurred again."""
        wanted = issue_text.marker("message", notification.id)
        since = notification.created_at - _COMMENT_WINDOW
        try:
            comments = self._list(self._tracker.comments(*self._settings, issue.number, since))
        except ResponseTooLargeError:  # rather a second comment than none
            comments = []
        if not any(wanted in str(comment.get("body")) for comment in comments):
            body = issue_text.body(notification, None, self._tracker.BODY_LIMIT)
            self._call(self._tracker.comment(*self._settings, issue.number, body))
        events = {notification.event, *notification.details.get("events", ())}
        if Event.REOCCURRENCE in events and issue.is_closed:
            self._call(self._tracker.set_state(*self._settings, issue.number, closed=False))

    def _list(self, request: OutgoingRequest) -> list[dict[str, Any]]:
        resources = self._call(request)
        if not isinstance(resources, list) or not all(isinstance(resource, dict) for resource in resources):
            raise UnreadableResponseError(f"The response of {self._tracker.LABEL} is not a list.")
        return resources

    def _parse(self, resource: Any) -> Issue:
        try:
            return self._tracker.parse(resource)
        except (KeyError, TypeError, ValueError):
            raise UnreadableResponseError(f"The response of {self._tracker.LABEL} is not an issue.") from None

    def _call(self, request: OutgoingRequest) -> Any:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise http.RequestFailedError(f"{self._tracker.LABEL} took more than {TRACKER_SECONDS:g} seconds.")
        response = self._send(request, timeout=min(http.TIMEOUT_SECONDS, left))
        self.status = response.status
        if not 200 <= response.status < 300:
            raise TrackerRejectedError(response)
        try:
            return json.loads(response.body)
        except (ValueError, RecursionError):
            if response.truncated:
                raise ResponseTooLargeError(f"The response of {self._tracker.LABEL} is too large.") from None
            raise UnreadableResponseError(f"The response of {self._tracker.LABEL} is not JSON.") from None
