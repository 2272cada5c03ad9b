"""Checks of what is outside of this machine: the reverse proxies in front of the server, and the SMTP server."""

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import Any
from urllib.parse import urlsplit

from checkend import clock
from checkend.notifications.http import DestinationRejectedError
from checkend.notifications.mail_settings import MailSettings
from checkend.telemetry.diagnosis import echo
from checkend.telemetry.diagnosis.finding import Finding

TIMEOUT_SECONDS = 10.0
MAX_BODY_BYTES = 65_536
MAX_CLOCK_DIFFERENCE_SECONDS = 60
# An address for documentation (RFC 5737), which no proxy has: it shows whether clients can choose their own.
FORGED_IP = "192.0.2.1"


def check_proxy(settings: Mapping[str, Any], secret_key: str) -> Finding:
    """Request the public URL, and compare what arrives at the server with the settings."""
    url = settings["URL"]
    if not url:
        advice = "Set CHECKEND_URL if this server has a public URL; links in notifications need it."
        return Finding("proxy", "warning", "CHECKEND_URL is not set.", advice)
    try:
        status, headers, body = _request(f"{url}/up", echo.create_token(secret_key))
    except (OSError, HTTPException) as error:
        fact = f"{url} cannot be reached from this machine: {error}"
        return Finding("proxy", "warning", fact, "Check CHECKEND_URL, the reverse proxy, and that a server is running.")
    if status != 200:
        advice = "Check CHECKEND_URL, and where the reverse proxy sends requests."
        return Finding("proxy", "error", f"{url}/up responded {status}.", advice)
    try:
        arrived = json.loads(body)
        return _compare(settings, arrived) or _compare_clocks(headers) or Finding("proxy", "ok", _fact(url, arrived))
    except (ValueError, TypeError, KeyError):
        fact = f"What responds at {url} is not this server, or has another secret key."
        return Finding("proxy", "error", fact, "Check CHECKEND_URL, CHECKEND_INSTANCE_PATH and CHECKEND_SECRET_KEY.")


def _request(url: str, token: str) -> tuple[int, HTTPMessage, bytes]:
    from http.client import HTTPConnection, HTTPSConnection

    parts = urlsplit(url)
    connect_to = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect_to(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path, headers={echo.HEADER: token, "X-Forwarded-For": FORGED_IP})
        response = connection.getresponse()
        return response.status, response.headers, response.read(MAX_BODY_BYTES)
    finally:
        connection.close()


def _compare(settings: Mapping[str, Any], arrived: dict[str, Any]) -> Finding | None:
    """Return the first difference between the settings and what arrived, None if there is none."""
    forwarded_for, trusted = arrived["forwarded_for"], settings["TRUSTED_PROXIES"]
    # Proxies append the address of whoever connected to them, or replace what clients send.
    proxies = len(forwarded_for) - (forwarded_for[:1] == [FORGED_IP])
    advice = f"Set CHECKEND_TRUSTED_PROXIES={proxies}, and restart the server."
    if trusted > proxies:
        fact = f"CHECKEND_TRUSTED_PROXIES is {trusted}, but only {proxies} add a header: clients can choose their IP."
        return Finding("proxy", "error", fact, advice)
    if trusted < proxies:
        passed = "a reverse proxy" if proxies == 1 else f"{proxies} reverse proxies"
        fact = f"Requests pass {passed}, but CHECKEND_TRUSTED_PROXIES is {trusted}: a proxy's IP"
        return Finding("proxy", "error", f"{fact} is taken for that of all clients.", advice)
    parts = urlsplit(settings["URL"])
    if (arrived["scheme"], arrived["host"].lower()) != (parts.scheme, parts.netloc.lower()):
        fact = f"Requests to {parts.scheme}://{parts.netloc} arrive as {arrived['scheme']}://{arrived['host']}."
        advice = "Let the reverse proxy send X-Forwarded-Proto and X-Forwarded-Host, or correct CHECKEND_URL."
        return Finding("proxy", "error", fact, advice)
    return None


def _compare_clocks(headers: HTTPMessage) -> Finding | None:
    try:
        difference = (parsedate_to_datetime(headers["Date"]) - clock.now()).total_seconds()
    except (ValueError, TypeError):
        return None
    if abs(difference) <= MAX_CLOCK_DIFFERENCE_SECONDS:
        return None
    fact = f"The clock of the public server differs from the one of this machine by {abs(difference):,.0f} seconds."
    return Finding("proxy", "warning", fact, "Keep both right with NTP.")


def _fact(url: str, arrived: dict[str, Any]) -> str:
    return f"Requests to {url} arrive as configured; this machine's IP is seen as {arrived['client_ip']}."


def check_mail(settings: MailSettings | None) -> Finding:
    """Connect to the SMTP server and log in, without sending anything."""
    import smtplib

    from checkend.notifications import smtp

    if settings is None:
        advice = "Enter a mail server on the Mail page, or set CHECKEND_MAIL_HOST. Mail also needs CHECKEND_URL."
        return Finding("mail", "warning", "There is no mail server, so no mail is sent.", advice)
    if not settings.url:
        fact = "No mail is sent, because its links need the URL of this server."
        return Finding("mail", "warning", fact, "Set CHECKEND_URL.")
    server = f"{settings.host}:{settings.port}"
    try:
        smtp.check(settings)
    except smtplib.SMTPAuthenticationError as error:
        fact = f"{server} rejected the login: {error.smtp_code} {_text(error.smtp_error)}"
        return Finding("mail", "error", fact, "Correct the user name and the password.")
    except DestinationRejectedError as error:
        return Finding("mail", "error", str(error), "Permit the destination, or correct the mail settings.")
    except (OSError, smtplib.SMTPException, ValueError) as error:
        advice = "Check the host, the port and the encryption, and that no firewall blocks the port."
        return Finding("mail", "error", f"{server} cannot be used: {smtp.describe(error)}.", advice)
    login = f", and accepts the login of {settings.username}" if settings.username else ""
    encryption = {"starttls": "with STARTTLS", "tls": "with TLS", "none": "without encryption"}[settings.tls]
    return Finding("mail", "ok", f"{server} responds {encryption}{login}.")


def _text(reason: bytes | str) -> str:
    return reason.decode(errors="replace") if isinstance(reason, bytes) else reason
