"""One attempt to deliver a notification: build the message, send it, and classify what came back."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

from flask import Flask

from checkend import clock
from checkend.db.session import db
from checkend.exceptions import CheckendError
from checkend.models import Channel
from checkend.notifications import http, mail
from checkend.notifications.apprise import send as send_apprise
from checkend.notifications.channel_settings import open_secrets
from checkend.notifications.channels import apprise
from checkend.notifications.channels.base import ChannelConfigError, IssueLink
from checkend.notifications.channels.kinds import HTTP_KINDS, TRACKER_KINDS
from checkend.notifications.channels.mail_message import build_message
from checkend.notifications.channels.text import fit_line
from checkend.notifications.encryption import SecretBox
from checkend.notifications.mail_settings import current_settings
from checkend.notifications.message import Notification
from checkend.notifications.outbox import REJECTION_STATUSES, Outcome
from checkend.notifications.trackers import TRACKER_SECONDS, TrackerRejectedError, TrackerSession
from checkend.notifications.unsubscribe import unsubscribe_url

REASON_LIMIT = 200
RETRY_STATUSES = frozenset({408, 425, 429})  # of the client errors, those that say "later"


class Sender:
    """Sends notifications for ``app``, in a context of it. Holds no database lock while it waits for anyone."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._policy = http.OutboundPolicy.from_config(app.config)
        self._secrets = SecretBox(Path(app.instance_path))

    def send(
        self, channel: Channel, recipient: str, notification: Notification, link: IssueLink | None = None
    ) -> Outcome:
        """Deliver ``notification`` to the channel, or to ``recipient`` of an email channel.

        Takes 20 s at most. An issue tracker needs the ``link`` unless it is a test.
        """
        try:
            if channel.kind == "email":
                return self._send_mail(channel, recipient, notification)
            if channel.kind in TRACKER_KINDS:
                return self._send_issue(channel, notification, link)
            if channel.kind == apprise.KIND:
                url: str = open_secrets(channel, self._secrets)["url"]
                return send_apprise(self._policy, url, notification)
            request = HTTP_KINDS[channel.kind].build_request(
                notification, channel.config, open_secrets(channel, self._secrets), now=clock.now()
            )
            return classify(http.send(self._policy, request))
        except (http.DestinationRejectedError, ChannelConfigError) as error:
            return Outcome(str(error), permanent=True)
        except CheckendError as error:
            return Outcome(str(error))

    def _send_issue(self, channel: Channel, notification: Notification, link: IssueLink | None) -> Outcome:
        secrets = open_secrets(channel, self._secrets)
        session = TrackerSession(
            TRACKER_KINDS[channel.kind],
            partial(http.send, self._policy, max_body=http.MAX_LARGE_BODY_BYTES),
            channel.config,
            secrets,
            deadline=time.monotonic() + TRACKER_SECONDS,
        )
        try:
            issue = session.deliver(notification, link)
        except TrackerRejectedError as error:
            return replace(_classify_tracker(error.response, secrets["token"]), issue=session.issue)
        except http.RequestFailedError as error:
            return Outcome(str(error), issue=session.issue)
        return Outcome(status=session.status, issue=issue)

    def _send_mail(self, channel: Channel, recipient: str, notification: Notification) -> Outcome:
        settings = current_settings()
        if settings is None or not settings.url:
            return Outcome(mail.NOT_CONFIGURED)
        message = build_message(
            notification,
            settings.sender,
            recipient,
            host=settings.domain,
            unsubscribe_url=unsubscribe_url(self._app, channel, recipient),
        )
        db.session.rollback()  # the lookups above began a read transaction; mail servers can be slow
        return mail.send(settings, message)


def classify(response: "http.HttpResponse") -> Outcome:
    """Return what an HTTP response means for the delivery.

    2xx is success. 408, 425, 429, 5xx and the statuses of a wrong URL or token (401, 403, 404, retried a few times)
    are transient; everything else, redirects included, is permanent.
    """
    status = response.status
    if 200 <= status < 300:
        return Outcome(status=status)
    if 300 <= status < 400:
        return Outcome(f"The receiver responded {status}: redirects are not followed.", status, permanent=True)
    transient = status >= 500 or status in RETRY_STATUSES or status in REJECTION_STATUSES
    retry_after = _retry_after(response.headers) if transient else None
    return Outcome(f"The receiver responded {status}.", status, not transient, retry_after)


def _classify_tracker(response: "http.HttpResponse", token: str) -> Outcome:
    """Return what `classify` does, with the reason if the request is invalid.

    A rate limit, for which trackers use 403 as well, does not count as a rejection.
    """
    outcome = classify(response)
    if response.status in (400, 422) and (reason := _reason(response.body, token)):
        return replace(outcome, error=f"The receiver responded {response.status}: {reason}")
    headers = response.headers
    if response.status not in (403, 429) or not (
        "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    ):
        return outcome
    reset = headers.get("x-ratelimit-reset", "")
    seconds = float(reset) - clock.now().timestamp() if reset.isascii() and reset.isdigit() and len(reset) < 12 else 0.0
    retry_after = outcome.retry_after or max(0.0, seconds)
    return Outcome(
        f"The receiver responded {response.status}: its rate limit is reached.", 429, retry_after=retry_after
    )


def _reason(body: bytes, token: str) -> str:
    """Return the message of a tracker, on one line and truncated; "" if there is none."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = payload.get("message") or payload.get("error") if isinstance(payload, dict) else None
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    return fit_line(text.replace(token, "[secret]"), REASON_LIMIT) if message else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in a Retry-After header: a number, or an HTTP date. None if absent or malformed."""
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None
