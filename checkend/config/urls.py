"""URLs of the server, from the host and the port that it listens on."""

from typing import Any

from flask import current_app, has_request_context, request, url_for

# Clients cannot connect to the addresses that mean all interfaces.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def http_url(host: str, port: int) -> str:
    """Return ``http://host:port``, with brackets around an IPv6 address."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def local_url(host: str, port: int) -> str:
    """Return the URL at which clients on this machine reach a server that listens on ``host``."""
    return http_url(_LOOPBACK.get(host, host), port)


def public_url() -> str:
    """Return this server's URL, without a trailing slash: the setting ``URL``, else the one that the request used.

    Outside of a request, and without the setting, it is not known: return "".
    """
    configured: str = current_app.config["URL"]
    return configured or (request.url_root.rstrip("/") if has_request_context() else "")


def full_url(endpoint: str, **values: Any) -> str:
    """Return the absolute URL of a page, for use outside of it: in mail, in snippets and on the clipboard."""
    return public_url() + url_for(endpoint, **values).removeprefix(request.script_root)
