"""One attempt to deliver a notification: build the message, send it, and classify what came back."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

from flask import Flask

from checkend import clock
from checkend.db.session import db
from checkend.exceptions import CheckendError
from checkend.models import Channel
from checkend.notifications import http, mail
from checkend.notifications.channel_settings import open_secrets
from checkend.notifications.channels.base import ChannelConfigError
from checkend.notifications.channels.kinds import HTTP_KINDS
from checkend.notifications.channels.mail_message import build_message
from checkend.notifications.encryption import SecretBox
from checkend.notifications.mail_settings import current_settings
from checkend.notifications.message import Notification
from checkend.notifications.outbox import REJECTION_STATUSES, Outcome
from checkend.notifications.unsubscribe import unsubscribe_url

RETRY_STATUSES = frozenset({408, 425, 429})  # of the client errors, those that say "later"


class Sender:
    """Sends notifications for ``app``, in a context of it. Holds no database lock while it waits for anyone."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._policy = http.OutboundPolicy.from_config(app.config)
        self._secrets = SecretBox(Path(app.instance_path))

    def send(self, channel: Channel, recipient: str, notification: Notification) -> Outcome:
        """Deliver ``notification`` to the channel, or to ``recipient`` of an email channel. Takes 20 s at most."""
        try:
            if channel.kind == "email":
                return self._send_mail(channel, recipient, notification)
            request = HTTP_KINDS[channel.kind].build_request(
                notification, channel.config, open_secrets(channel, self._secrets), now=clock.now()
            )
            return classify(http.send(self._policy, request))
        except (http.DestinationRejectedError, ChannelConfigError) as error:
            return Outcome(str(error), permanent=True)
        except CheckendError as error:
            return Outcome(str(error))

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


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in a Retry-After header: a number, or an HTTP date. None if absent or malformed."""
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None
