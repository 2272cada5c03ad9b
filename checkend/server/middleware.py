"""Around every request: the real client behind proxies, doubled slashes, and a line in the log."""

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORWARDING_HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PREFIX",
)

log = logging.getLogger("checkend.access")


def register(app: Flask) -> None:
    """Trust as many proxies as the settings say, and log one line a request at debug."""
    proxies = app.config["TRUSTED_PROXIES"]
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]  # how Flask documents it
    else:
        app.wsgi_app = UntrustedProxyMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # how Flask documents it
    # Six SDKs do not strip a trailing slash from their endpoint: "//ingest/…" must work and never be redirected.
    app.url_map.merge_slashes = False
    app.wsgi_app = CollapseSlashesMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # how Flask documents it
    if log.isEnabledFor(logging.DEBUG):
        app.before_request(_start_clock)
        app.after_request(_log_request)


class UntrustedProxyMiddleware:
    """WSGI middleware that logs once that a reverse proxy sends headers which are not trusted."""

    def __init__(self, wsgi_app: "WSGIApplication") -> None:
        self.wsgi_app = wsgi_app
        self._logged = False

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not self._logged and any(name in environ for name in FORWARDING_HEADERS):
            self._logged = True
            log.warning(
                "X-Forwarded-... headers arrive, but no reverse proxy is trusted: they are ignored, and the client IP "
                "is that of the connection. Behind a reverse proxy, set CHECKEND_TRUSTED_PROXIES=1 and CHECKEND_URL."
            )
        return self.wsgi_app(environ, start_response)


class CollapseSlashesMiddleware:
    """WSGI middleware: slashes before the path count as one."""

    def __init__(self, wsgi_app: "WSGIApplication") -> None:
        self.wsgi_app = wsgi_app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("//"):
            environ["PATH_INFO"] = "/" + path.lstrip("/")
        return self.wsgi_app(environ, start_response)


def _start_clock() -> None:
    g.started = time.perf_counter()


def _log_request(response: Response) -> Response:
    took = (time.perf_counter() - g.started) * 1000
    log.debug("%s %s %d %.1f ms", request.method, request.path, response.status_code, took)
    return response
