"""Mail over SMTP.

It requires ``MAIL_HOST``, and ``URL`` for the links in it: a link built from the ``Host`` header of a request could
lead to the site of an attacker.
"""

import logging
import smtplib
import ssl
from collections import Counter
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.parse import urlsplit

from checkend.exceptions import CheckendError

TIMEOUT_SECONDS = 15

log = logging.getLogger("checkend.mail")

# The number of mails that this process has ``sent``, and that ``failed``, for /metrics.
outcomes: Counter[str] = Counter(sent=0, failed=0)


class MailError(CheckendError):
    """The SMTP server did not accept the mail; the message states why."""


def is_configured(config: Mapping[str, Any]) -> bool:
    """Return whether the settings allow sending mail."""
    return bool(config["MAIL_HOST"] and config["URL"])


def sender(config: Mapping[str, Any]) -> str:
    """Return the From header."""
    host = urlsplit(config["URL"]).hostname or "localhost"
    return config["MAIL_FROM"] or f"Checkend <checkend@{host}>"


def send_message(config: Mapping[str, Any], message: EmailMessage) -> None:
    """Hand a message to the SMTP server. Raises what `smtplib` raises."""
    with _connect(config) as server:
        server.send_message(message)


def check_connection(config: Mapping[str, Any]) -> None:
    """Connect to the SMTP server and log in, as for sending a mail. Raises OSError and what `smtplib` raises."""
    with _connect(config) as server:
        server.noop()


def send(config: Mapping[str, Any], to: str, subject: str, text: str) -> None:
    """Send a mail. Raises `MailError`. Every step of the connection may take `TIMEOUT_SECONDS`."""
    try:
        send_message(config, _message(config, to, subject, text))
        outcomes["sent"] += 1
    except (OSError, smtplib.SMTPException, ValueError) as error:
        outcomes["failed"] += 1
        log.warning("mail to %s could not be sent: %s", to, error)
        raise MailError(f"The mail could not be sent: {error}") from error


def _message(config: Mapping[str, Any], to: str, subject: str, text: str) -> EmailMessage:
    host = urlsplit(config["URL"]).hostname or "localhost"
    message = EmailMessage()
    message["From"] = sender(config)
    message["To"] = to
    message["Subject"] = " ".join(subject.split())
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=host)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _connect(config: Mapping[str, Any]) -> smtplib.SMTP:
    host, port = config["MAIL_HOST"], config["MAIL_PORT"]
    if config["MAIL_TLS"] == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    try:
        if config["MAIL_TLS"] == "starttls":
            server.starttls(context=ssl.create_default_context())
        if config["MAIL_USERNAME"]:
            server.login(config["MAIL_USERNAME"], config["MAIL_PASSWORD"])
    except BaseException:
        server.close()
        raise
    return server
