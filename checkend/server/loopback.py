"""Servers for the developer of this machine alone: no other site's page may use them through a browser.

A page of any site can send requests to 127.0.0.1. It cannot read the responses, unless its own host name is made to
resolve to 127.0.0.1 (DNS rebinding): that shows in ``Host``. It cannot hide where it comes from: that is ``Origin``.
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
    """WSGI middleware that responds 403 unless the request is addressed to this machine by one of its own names.

    Requests must not come from a page of another site either, except for reports: browsers send them from the site that
    is being developed.
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
    """Return what is wrong with the ``Host`` header, or None where it names this machine.

    ``also`` is the host that the server was told to listen on: where that is not a loopback one, the server responds
    to this host, and to every IP address, because DNS cannot make a page's host name one.
    """
    sent = environ.get("HTTP_HOST", "")
    name = _name_in(_HOST, sent)
    if _is_loopback(name) or (also and not _is_loopback(also) and (name == also.lower() or _address(name))):
        return None
    known = "localhost and 127.0.0.1" if also is None or _is_loopback(also) else f"localhost, {also} and IP addresses"
    return f"This server responds to the hosts {known} only, and the request was for {sent[:100]!r}."


def origin_error(environ: "WSGIEnvironment") -> str | None:
    """Return what is wrong with the ``Origin`` header, or None where there is none, or a page of this machine's."""
    origin = environ.get("HTTP_ORIGIN")
    if origin is None or _is_loopback(_name_in(_ORIGIN, origin)) or _same(origin, environ.get("HTTP_HOST", "")):
        return None
    return f"This server takes no requests from pages of other sites, and this one came from {origin[:100]!r}."


def _name_in(pattern: re.Pattern[str], header: str) -> str:
    """Return the host name in a header, in lower case and without its port; "" where the header is malformed."""
    found = pattern.fullmatch(header.lower())
    return found[1].strip("[]") if found else ""


def _same(origin: str, host: str) -> bool:
    return host != "" and origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())


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
