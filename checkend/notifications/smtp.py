"""SMTP with a deadline for the whole conversation; imported with the first mail."""

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from email.message import EmailMessage
from functools import cache
from ipaddress import ip_address
from typing import Any

from checkend.notifications import http
from checkend.notifications.deadline_socket import DeadlineSocket, DeadlineTlsSocket, remaining
from checkend.notifications.mail_settings import MailSettings

TIMEOUT_SECONDS = 20.0
MAX_RECEIVED_BYTES = 65_536


def send(settings: MailSettings, message: EmailMessage) -> None:
    """Hand a message to the SMTP server.

    ``TIMEOUT_SECONDS`` cover everything: lookup, connection, TLS and every step of the conversation. Raises OSError,
    ValueError, `smtplib.SMTPException` or `DestinationRejectedError`.
    """
    with _session(settings) as server:
        server.send_message(message)
        with suppress(OSError, smtplib.SMTPException):  # the mail was accepted already
            server.quit()


def check(settings: MailSettings) -> None:
    """Connect to the SMTP server and log in, without sending a mail. Raises what `send` raises."""
    with _session(settings) as server:
        server.noop()


@contextmanager
def _session(settings: MailSettings) -> Iterator[smtplib.SMTP]:
    """Provide a connection with TLS and the login that the settings ask for, and close it at the end."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        with closing(_Connection(settings, deadline)) as server:
            if settings.tls == "starttls":
                server.starttls(context=_tls_context())
            if settings.username:
                _require_ascii(settings)
                server.login(settings.username, settings.password)
            yield server
    except smtplib.SMTPServerDisconnected as error:  # smtplib replaces every OSError by it
        if time.monotonic() >= deadline:
            raise TimeoutError from error
        raise


def describe(error: Exception) -> str:
    """Return why a mail could not be sent, as the end of a sentence."""
    match error:
        case TimeoutError():
            return f"no response within {TIMEOUT_SECONDS:g} seconds"
        case ssl.SSLCertVerificationError():
            return f"the TLS certificate of the mail server is not valid ({error.verify_message.rstrip('.')})"
        case ssl.SSLError():
            return f"TLS error ({error.reason or error.strerror}); check that the encryption fits the port"
        case socket.gaierror():
            return f"the host name could not be resolved ({error.strerror})"
        case OSError() if error.strerror:
            return error.strerror
    return str(error).rstrip(".")


class _Connection(smtplib.SMTP):
    """A connection whose operations share one deadline."""

    def __init__(self, settings: MailSettings, deadline: float) -> None:
        self._settings, self._deadline = settings, deadline
        # By default, smtplib looks up the name of this machine, which can take long.
        super().__init__(settings.host, settings.port, local_hostname=_ehlo_name(settings.domain))

    def _get_socket(self, host: str, port: int, timeout: float) -> DeadlineSocket:
        destination = http.Destination("smtp", host.lower(), port, "")
        sock = http.open_connection(self._settings.policy, destination, self._deadline)
        sock.allowance = MAX_RECEIVED_BYTES
        if self._settings.tls != "tls":
            return sock
        try:
            return self._secured(_tls_context().wrap_socket(sock, server_hostname=host))
        except BaseException:
            sock.close()
            raise

    def starttls(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        """Switch to TLS, within the same deadline."""
        assert self.sock is not None
        self.sock.settimeout(remaining(self._deadline))  # for the whole handshake
        response = super().starttls(*arguments, **options)
        self._secured(self.sock)
        return response

    def _secured(self, sock: Any) -> DeadlineTlsSocket:
        assert isinstance(sock, DeadlineTlsSocket)
        sock.deadline, sock.allowance = self._deadline, MAX_RECEIVED_BYTES
        return sock


@cache
def _tls_context() -> ssl.SSLContext:
    """Return the context that verifies certificates with the system's authorities (10 ms to load)."""
    context = ssl.create_default_context()
    context.sslsocket_class = DeadlineTlsSocket
    return context


def _require_ascii(settings: MailSettings) -> None:
    """Reject what smtplib cannot encode; its own error would quote a part of the password."""
    if not (settings.username + settings.password).isascii():
        raise smtplib.SMTPException("the user name and the password must consist of ASCII characters")


def _ehlo_name(domain: str) -> str:
    try:
        address = ip_address(domain)
    except ValueError:
        return domain
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
