"""Mail to the admins of an app one of whose channels keeps failing, or was disabled by its receiver."""

import logging

from flask import current_app

from checkend.exceptions import CheckendError
from checkend.models import Channel
from checkend.models.channel import FAILURES_SHOWN
from checkend.models.team import admins_of
from checkend.notifications.channels.text import fit_line
from checkend.notifications.mail_settings import is_configured
from checkend.notifications.outgoing_mail import queue

NAME_LIMIT = 80
FAILING = """The last {failures} attempts to send notifications of the app {app} through the channel {channel} failed.

Last error: {error}

Further attempts are made, for a day after each notification. Check the settings of the channel and send a test message:
{link}
"""
DISABLED = """The channel {channel} of the app {app} was disabled, because its receiver rejects what is sent to it.

Last error: {error}

Nothing is sent through it any more. Correct its URL or token, enable it and send a test message:
{link}
"""
FOOTER = """
You get this message as an admin of the app. There will be no other one about this channel until it works again.
"""

log = logging.getLogger("checkend.notifications")


def mail_admins(channel: Channel) -> None:
    """Queue a mail to each admin of the channel's app, if mail is configured; for a write transaction.

    If that fails, it is logged: the outcome of the attempt must be recorded nevertheless.
    """
    if not is_configured():
        return
    try:
        _queue(channel)
    except (OSError, CheckendError) as error:  # the file with the encryption keys cannot be read, say
        log.error("mail about %s was not queued: %s", channel.label, error)


def _queue(channel: Channel) -> None:
    app = channel.app
    names = {"app": fit_line(app.name, NAME_LIMIT), "channel": f'"{fit_line(channel.name, NAME_LIMIT)}"'}
    subject = f"[{names['app']}] Channel {names['channel']} {'is failing' if channel.enabled else 'was disabled'}"
    text = (FAILING if channel.enabled else DISABLED) + FOOTER
    link = f"{current_app.config['URL']}/apps/{app.slug}/alerts"
    text = text.format(**names, failures=FAILURES_SHOWN, error=channel.last_error, link=link)
    for user in admins_of(app.id):
        queue(user.email_address, subject, text)
