"""The HTTP client for all outgoing requests, guarded against server-side request forgery and slow peers.

Users choose the URLs that notifications go to, so a URL may point at a service that only this machine can reach. Each
address that the host resolves to must be permitted by the `OutboundPolicy`; one forbidden address rejects the request,
because a name that mixes public and internal addresses is more likely an attack than a configuration to support. The
connection is made to a checked address, without a second lookup that could return another one.

URLs of chat services are secrets: messages of errors contain the scheme, host and port only, and exceptions of
libraries, which may quote more, are not chained.
"""

import errno
import http.client
import logging
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from checkend import __version__
from checkend.exceptions import CheckendError
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.deadline_socket import DeadlineSocket, DeadlineTlsSocket, remaining
from checkend.notifications.outbound_policy import OutboundPolicy

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse
    from urllib3.connection import HTTPConnection

__all__ = ["DestinationRejectedError", "HttpResponse", "OutboundPolicy", "RequestFailedError", "probe", "send"]

TIMEOUT_SECONDS = 10.0
MAX_BODY_BYTES = 16_384
MAX_LARGE_BODY_BYTES = 1_048_576
# Limits on what is received from the network. The one for bodies leaves room for the framing of one-byte chunks.
MAX_HEAD_BYTES = 65_536
MAX_FRAMED_BODY_BYTES = 131_072
# A lookup cannot be canceled, so a resolver that hangs occupies its thread. This limits the number of such threads.
MAX_LOOKUPS = 8
_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)
# urllib3 logs the URL when it cannot parse the headers of a response.
logging.getLogger("urllib3.connection").disabled = True
# Set here; another value could make the receiver read a different request than the one that was checked.
_RESERVED_HEADERS = {"connection", "content-length", "host", "transfer-encoding"}


class DestinationRejectedError(CheckendError):
    """The request is not permitted or malformed, and was not sent. Permanent: retrying cannot help."""


class RequestFailedError(CheckendError):
    """No response was received: DNS, connection, TLS or protocol error, or timeout. Transient: retrying may help."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response, whatever its status. Names of ``headers`` are lower-case.

    ``body`` is as received (no content coding is removed). It lacks what exceeds the limit or had not arrived
    when the connection failed or the time was up; ``truncated`` is then set.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False


def send(
    policy: OutboundPolicy,
    request: OutgoingRequest,
    *,
    timeout: float = TIMEOUT_SECONDS,
    max_body: int = MAX_BODY_BYTES,
) -> HttpResponse:
    """Send a request and return the response. Redirects are not followed, failures not retried, proxies not used.

    ``timeout`` is in seconds and covers everything: lookup, connection, TLS, sending and receiving. Once the head of a
    response has arrived, the response is returned, with the part of the body that is there in time: a receiver that
    has responded must not get the same notification again because of a slow body. ``max_body`` is how much of it is
    read, at most `MAX_LARGE_BODY_BYTES`.

    Raises `DestinationRejectedError` and `RequestFailedError`.
    """
    from urllib3.exceptions import HTTPError

    assert max_body <= MAX_LARGE_BODY_BYTES
    destination = Destination.parse(request.url)
    deadline = time.monotonic() + timeout
    try:
        with closing(_connect(policy, destination, deadline)) as sock:
            return _exchange(sock, destination, request, max_body)
    except (OSError, http.client.HTTPException, HTTPError) as error:
        reason = f"no response within {timeout:g} seconds" if isinstance(error, TimeoutError) else _reason(error)
    raise RequestFailedError(f"The request to {destination.origin} failed: {reason}.")


def probe(policy: OutboundPolicy, url: str, *, timeout: float = TIMEOUT_SECONDS) -> str:
    """Connect to the host of ``url`` as `send` does, but send nothing. Returns what may be displayed of the URL.

    Raises `DestinationRejectedError` and `RequestFailedError`.
    """
    destination = Destination.parse(url)
    try:
        _connect(policy, destination, time.monotonic() + timeout).close()
    except OSError as error:
        reason = f"no connection within {timeout:g} seconds" if isinstance(error, TimeoutError) else _reason(error)
        raise RequestFailedError(f"The connection to {destination.origin} failed: {reason}.") from None
    return destination.origin


def _reason(error: Exception) -> str:
    """Return why a request failed, without text of the peer, which may quote the request."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the TLS certificate is not valid ({error.verify_message})"
        case ssl.SSLError():
            return f"TLS error ({error.reason or error.strerror})"
        case socket.gaierror():
            return f"the host name could not be resolved ({error.strerror})"
        case ConnectionResetError():
            return "the connection was closed before a response arrived"
        case OSError():
            return error.strerror or type(error).__name__
    return "the response is not valid HTTP"


_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|(?=[0-9a-f.]*:)[0-9a-f:.]+(%[a-z0-9._-]+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Destination:
    """The parts of a URL. ``target`` is the path with the query, and secret."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, url: str) -> "Destination":
        """Return the parts of an http or https URL. Raises `DestinationRejectedError`, without quoting the URL."""
        if any(char <= " " or char in "\\\x7f" for char in url):
            raise DestinationRejectedError("The URL must not contain spaces, control characters or backslashes.")
        try:
            parts = urlsplit(url)
            default_port = {"http": 80, "https": 443}[parts.scheme]
            port = default_port if parts.port is None else parts.port
            # RFC 6874 writes the "%" that separates an IPv6 address from its zone as "%25".
            host = (parts.hostname or "").replace("%25", "%").encode("idna").decode()
        except (ValueError, KeyError):
            host, port, parts = "", 0, urlsplit("")
        # Python before 3.11.9 ignores what follows the brackets of an IPv6 address.
        if not port or not _HOST.fullmatch(host) or re.search(r"][^:]", parts.netloc):
            raise DestinationRejectedError(
                "The URL must begin with http:// or https:// and a valid host; a port is between 1 and 65535."
            )
        if "@" in parts.netloc:
            raise DestinationRejectedError("The URL must not contain a user name or password.")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = "".join(char if char.isascii() else quote(char) for char in target)
        return cls(parts.scheme, host, port, target)

    @property
    def origin(self) -> str:
        """The part of the URL that may be displayed: ``scheme://host:port``."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def server_name(self) -> str:
        """The host for the Host header, TLS and the policy: without the root's dot and an IPv6 zone."""
        return self.host.rstrip(".").partition("%")[0]


def _connect(policy: OutboundPolicy, destination: Destination, deadline: float) -> DeadlineSocket:
    """Return a connection to the destination, with TLS for https."""
    sock = open_connection(policy, destination, deadline)
    return sock if destination.scheme == "http" else _wrap_tls(sock, destination.server_name)


def open_connection(policy: OutboundPolicy | None, destination: Destination, deadline: float) -> DeadlineSocket:
    """Return a connection to one of the host's addresses, all of which are checked first; None permits every address.

    The addresses are tried in the resolver's order, each with an equal share of the time left.
    """
    addresses = _look_up(destination, deadline)
    for _, sockaddr in addresses:
        if policy and (rejection := policy.rejection(destination.server_name, ip_address(sockaddr[0]))):
            what = "connection" if destination.scheme == "smtp" else "request"
            raise DestinationRejectedError(f"The {what} to {destination.origin} was rejected: {rejection}")
    for attempts_left in range(len(addresses), 0, -1):
        try:
            sock = _open(*addresses[-attempts_left], timeout=remaining(deadline) / attempts_left)
            break
        except OSError:
            if attempts_left == 1:
                raise
    sock.deadline = deadline
    return sock


def _open(family: socket.AddressFamily, sockaddr: Any, timeout: float) -> DeadlineSocket:
    sock = DeadlineSocket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(sockaddr)
    except OSError:
        sock.close()
        raise
    return sock


def _look_up(destination: Destination, deadline: float) -> list[tuple[socket.AddressFamily, Any]]:
    """Return the distinct address families and socket addresses of the host.

    The lookup runs in a thread, as it has no timeout of its own; one that hangs is abandoned until the
    resolver gives up.
    """
    outcome = queue.SimpleQueue[list[tuple[socket.AddressFamily, Any]] | Exception]()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
            outcome.put(list(dict.fromkeys((family, sockaddr) for family, *_, sockaddr in found)))
        except Exception as error:
            outcome.put(error)
        finally:
            _lookups.release()

    timed_out = socket.gaierror(socket.EAI_AGAIN, "the resolver did not respond in time")
    if not _lookups.acquire(timeout=remaining(deadline)):
        raise timed_out
    try:
        threading.Thread(target=look_up, name="checkend-lookup", daemon=True).start()
    except RuntimeError:  # the process has as many threads as it may have
        _lookups.release()
        raise OSError(errno.EAGAIN, "no thread could be started for the lookup") from None
    try:
        addresses = outcome.get(timeout=remaining(deadline))
    except (queue.Empty, TimeoutError):
        raise timed_out from None
    if isinstance(addresses, Exception):
        raise addresses
    return addresses


def _wrap_tls(sock: DeadlineSocket, server_name: str) -> DeadlineTlsSocket:
    try:
        sock.settimeout(remaining(sock.deadline))  # for the whole handshake, not each read
        wrapped = _tls_context().wrap_socket(sock, server_hostname=server_name)
    except BaseException:
        sock.close()
        raise
    assert isinstance(wrapped, DeadlineTlsSocket)
    wrapped.deadline = sock.deadline
    return wrapped


@cache
def _tls_context() -> ssl.SSLContext:
    """Return the context that verifies certificates with the system's authorities (10 ms to load)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = DeadlineTlsSocket
    return context


def _exchange(sock: DeadlineSocket, destination: Destination, request: OutgoingRequest, max_body: int) -> HttpResponse:
    """Send the request over ``sock`` and read the response."""
    from urllib3.connection import HTTPConnection, HTTPSConnection

    connect_to = HTTPSConnection if destination.scheme == "https" else HTTPConnection
    with closing(connect_to(destination.server_name, destination.port)) as connection:
        sock.allowance = MAX_HEAD_BYTES
        connection.sock = sock  # so that urllib3 neither resolves the name nor connects
        _send_request(connection, destination, request)
        response = connection.getresponse()
        sock.allowance = MAX_FRAMED_BODY_BYTES + (max_body - MAX_BODY_BYTES)
        with closing(response):
            body, truncated = _read_body(response, max_body)
        headers = {name.lower(): response.headers[name] for name in response.headers}
        return HttpResponse(response.status, headers, body, truncated)


def _send_request(connection: "HTTPConnection", destination: Destination, request: OutgoingRequest) -> None:
    if reserved := sorted(name for name in request.headers if name.lower() in _RESERVED_HEADERS):
        raise DestinationRejectedError(f"Checkend sets these request headers itself: {', '.join(reserved)}.")
    headers = {"User-Agent": f"Checkend/{__version__}", **request.headers, "Connection": "close"}
    try:
        connection.request(
            request.method, destination.target, body=request.body or None, headers=headers, preload_content=False
        )
    except (ValueError, http.client.InvalidURL):
        raise DestinationRejectedError("The method or a header contains characters that HTTP does not allow.") from None


def _read_body(response: "BaseHTTPResponse", limit: int) -> tuple[bytes, bool]:
    """Return the first ``limit`` bytes of the body, and whether there may be more."""
    from urllib3.exceptions import HTTPError

    body = bytearray()
    try:
        while len(body) <= limit:
            chunk = response.read1(limit + 1 - len(body), decode_content=False)
            if not chunk:
                return bytes(body), False
            body += chunk
    except (OSError, HTTPError):
        pass
    return bytes(body[:limit]), True
