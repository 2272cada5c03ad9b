"""Protection of servers that are only for the developer at this machine, such as `checkend dev`.

A page of any site can make a browser send requests to 127.0.0.1. It can read the responses only if its own host name
resolves to 127.0.0.1 (DNS rebinding), which the ``Host`` header reveals. It cannot hide its site, which is in the
``Origin`` header.
"""

import ipaddress
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_ORIGIN = re.compile(r"https?://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class LoopbackOnlyMiddleware:
    """WSGI middleware that responds with 403 unless the ``Host`` header names this machine.

    It also rejects requests from pages of other sites, except reports: browsers send those from the site that is being
    developed.
    """

    def __init__(self, wsgi_app: "WSGIApplication") -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        is_report = path.lstrip("/").startswith("ingest/")
        message = host_error(environ) or (None if is_report else origin_error(environ))
        if message is None:
            return self._wsgi_app(environ, start_response)
        body = json.dumps({"error": "forbidden", "message": message}).encode()
        start_response("403 FORBIDDEN", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def host_error(environ: "WSGIEnvironment", also: str | None = None) -> str | None:
    """Return an error message if the ``Host`` header does not name this machine, else None.

    ``also`` is the host that the server listens on. If it is not a loopback host, it is allowed as well, and so is
    every IP address: with DNS rebinding, the header contains the host name of the page.
    """
    sent = environ.get("HTTP_HOST", "")
    name = _name_in(_HOST, sent)
    if _is_loopback(name) or (also and not _is_loopback(also) and (name == also.lower() or _address(name))):
        return None
    known = "localhost and 127.0.0.1" if also is None or _is_loopback(also) else f"localhost, {also} and IP addresses"
    return f"This server responds only to requests for {known}, and the request was for {sent[:100]!r}."


def origin_error(environ: "WSGIEnvironment") -> str | None:
    """Return an error message if the ``Origin`` header names another site than this machine, else None."""
    origin = environ.get("HTTP_ORIGIN")
    if origin is None or _is_loopback(_name_in(_ORIGIN, origin)):
        return None
    host = environ.get("HTTP_HOST", "").lower()
    if host and origin.lower() in (f"http://{host}", f"https://{host}"):
        return None
    return f"This server rejects requests from pages of other sites, and this one came from {origin[:100]!r}."


def _name_in(pattern: re.Pattern[str], header: str) -> str:
    """Return the host name in a header, in lower case and without its port, or "" if the header is malformed."""
    match = pattern.fullmatch(header.lower())
    return match[1].strip("[]") if match else ""


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if address is not None:
        return address.is_loopback
    return name == "localhost" or name.endswith(".localhost")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
