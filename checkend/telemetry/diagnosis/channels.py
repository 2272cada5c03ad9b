"""Checks of what is stored in the database: the mail server, and each channel with its secrets and receiver."""

from functools import partial

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from checkend import clock
from checkend.db.session import db
from checkend.exceptions import CheckendError
from checkend.models import Channel
from checkend.notifications import http
from checkend.notifications.channel_settings import open_secrets
from checkend.notifications.channels import apprise
from checkend.notifications.channels.kinds import HTTP_KINDS, TRACKER_KINDS
from checkend.notifications.encryption import SecretBox, SecretsUnreadableError, secret_box
from checkend.notifications.mail_settings import current_settings
from checkend.notifications.summaries import test_notification
from checkend.notifications.test_message import send_test
from checkend.telemetry.diagnosis.finding import Check, Finding
from checkend.telemetry.diagnosis.network import check_mail


def mail_check() -> Check:
    """Return the check of the mail server in the configuration or in the database."""
    try:
        return Check("mail", partial(check_mail, current_settings()))
    except SecretsUnreadableError as error:
        return Check("mail", partial(Finding, "mail", "error", str(error), "Enter the mail settings again."))


def channel_checks(app: Flask, *, send: bool) -> list[Check]:
    """Return a check of each channel of all apps; with ``send``, each sends a test notification.

    The checks can run in any thread.
    """
    statement = select(Channel).options(joinedload(Channel.app)).order_by(Channel.app_id, Channel.id)
    return [_check(app, channel, send) for channel in db.session.scalars(statement)]


def _check(app: Flask, channel: Channel, send: bool) -> Check:
    name, label = f"channel {channel.app.slug}/{channel.id}", f"{channel.kind} {channel.name!r}"
    if not channel.enabled:
        return Check(name, partial(_disabled, name, label, channel.last_error))
    if send:
        return Check(name, partial(_send, app, name, label, channel.id))
    if channel.kind == "email":
        return Check(name, partial(_failures, name, channel.last_error, f"{label} sends mail; see above."))
    try:
        url = _url(app, channel, secret_box())
    except CheckendError as error:
        return Check(name, partial(Finding, name, "error", f"{label}: {error}", "Correct the channel's settings."))
    if not url:
        return Check(name, partial(_failures, name, channel.last_error, f"{label} can be tested with --send only."))
    policy = http.OutboundPolicy.from_config(app.config)
    return Check(name, partial(_connect, name, label, channel.last_error, policy, url))


def _url(app: Flask, channel: Channel, box: SecretBox) -> str:
    """Return the URL that notifications are sent to, "" if only Apprise knows it. Raises `CheckendError`."""
    notification = test_notification(channel.app, app.config["URL"])
    secrets = open_secrets(channel, box)
    if channel.kind == apprise.KIND:
        return ""
    if channel.kind in TRACKER_KINDS:
        return TRACKER_KINDS[channel.kind].read(channel.config, secrets, 1).url
    return HTTP_KINDS[channel.kind].build_request(notification, channel.config, secrets, now=clock.now()).url


def _disabled(name: str, label: str, last_error: str | None) -> Finding:
    if last_error is None:
        return Finding(name, "ok", f"{label} is disabled.")
    advice = "Correct the cause, then enable the channel."
    return Finding(name, "warning", f"{label} is disabled after an error: {last_error}", advice)


def _connect(name: str, label: str, last_error: str | None, policy: http.OutboundPolicy, url: str) -> Finding:
    try:
        origin = http.probe(policy, url)
    except http.DestinationRejectedError as error:
        return Finding(name, "error", f"{label}: {error}", "Permit the destination, or correct the channel's settings.")
    except http.RequestFailedError as error:
        return Finding(name, "error", f"{label}: {error}", "Check the network, and that the receiver is running.")
    return _failures(name, last_error, f"{label} can be reached at {origin}.")


def _failures(name: str, last_error: str | None, fact: str) -> Finding:
    if last_error is None:
        return Finding(name, "ok", fact)
    advice = "Run the command with --send to see whether this is still so."
    return Finding(name, "warning", f"{fact} The last attempt failed: {last_error}", advice)


def _send(app: Flask, name: str, label: str, channel_id: int) -> Finding:
    with app.app_context():
        channel = db.session.get(Channel, channel_id)
        if channel is None:
            return Finding(name, "ok", f"{label} was deleted meanwhile.")
        error = send_test(channel).error
    if error:
        return Finding(name, "error", f"{label}: {error}", "Correct the channel's settings, or its receiver.")
    return Finding(name, "ok", f"{label} delivered a test notification.")
