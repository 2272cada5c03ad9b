"""The WSGI middleware of the server, in one ordered list: `install`."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wsgi import ClosingIterator

from checkend.api.equivalent_urls import EquivalentUrls
from checkend.server.path_prefix import PathPrefixMiddleware
from checkend.services import Services
from checkend.telemetry.request_metrics import RequestMetrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Layer = Callable[[WSGIApplication], WSGIApplication]

FORWARDING_HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PREFIX",
)

log = logging.getLogger("checkend.access")


def install(app: Flask, services: Services, in_flight: "InFlightCounter | None" = None) -> None:
    """Wrap ``app`` in its middleware. The list is ordered from the outside to the inside.

    Every layer outside of the fast path costs each report time, so only what a report needs is there.
    """
    from checkend.ingest.fast_path import IngestFastPath

    proxies = app.config["TRUSTED_PROXIES"]
    prefix = urlsplit(app.config["URL"]).path
    layers: list[Layer] = []
    if in_flight is not None:
        # Outermost: a request counts until the last byte of its response has been passed on, whoever responds.
        layers.append(lambda inner: InFlightMiddleware(inner, in_flight))
    if prefix or proxies:
        # Before anything reads the path: the layers below see the same paths with and without a prefix.
        layers.append(lambda inner: PathPrefixMiddleware(inner, prefix, proxies))
    # Outside of the metrics and of the fast path, which compare paths; six SDKs send "//ingest/v1/errors".
    layers.append(CollapseSlashesMiddleware)
    # Outside of the fast path, to count and time the reports that Flask never sees.
    layers.append(lambda inner: RequestMetrics(inner, services.metrics))
    if not log.isEnabledFor(logging.DEBUG):
        # As far outside as possible. Left out at debug level, because Flask's hooks write the access log.
        layers.append(lambda inner: IngestFastPath(inner, services.ingestion, services.metrics))
    layers.append(EquivalentUrls)
    # Innermost, because ProxyFix is slow, and only Flask's routes need the client's IP, scheme and host.
    if proxies:
        layers.append(lambda inner: ProxyFix(inner, x_for=proxies, x_proto=proxies, x_host=proxies))
    else:
        layers.append(UntrustedProxyMiddleware)
    wsgi_app: WSGIApplication = app.wsgi_app
    for layer in reversed(layers):
        wsgi_app = layer(wsgi_app)
    app.wsgi_app = wsgi_app  # type: ignore[assignment,method-assign]  # how Flask documents it
    # No redirects for slashes within the path either: many clients turn a redirected POST into a GET.
    app.url_map.merge_slashes = False
    if log.isEnabledFor(logging.DEBUG):
        app.before_request(_start_timer)
        app.after_request(_log_request)


class InFlightCounter:
    """The number of requests that are being processed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self, change: int) -> None:
        """Add ``change``, 1 at the beginning of a request and -1 at its end."""
        with self._lock:
            self._count += change

    def wait(self, seconds: float) -> None:
        """Return once no request is being processed, after ``seconds`` at the latest."""
        until = time.monotonic() + seconds
        while self._count and time.monotonic() < until:
            time.sleep(0.02)


class InFlightMiddleware:
    """WSGI middleware that counts requests in an `InFlightCounter`."""

    def __init__(self, wsgi_app: "WSGIApplication", counter: InFlightCounter) -> None:
        self._wsgi_app = wsgi_app
        self._counter = counter

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        self._counter.add(1)
        try:
            body = self._wsgi_app(environ, start_response)
        except BaseException:
            self._counter.add(-1)
            raise
        return ClosingIterator(body, lambda: self._counter.add(-1))


class CollapseSlashesMiddleware:
    """WSGI middleware that replaces several slashes at the beginning of the path by one."""

    def __init__(self, wsgi_app: "WSGIApplication") -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("//"):
            environ["PATH_INFO"] = "/" + path.lstrip("/")
        return self._wsgi_app(environ, start_response)


class UntrustedProxyMiddleware:
    """WSGI middleware that logs once that a reverse proxy sends headers which are not trusted."""

    def __init__(self, wsgi_app: "WSGIApplication") -> None:
        self._wsgi_app = wsgi_app
        self._logged = False

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not self._logged and any(name in environ for name in FORWARDING_HEADERS):
            self._logged = True
            log.warning(
                "X-Forwarded-... headers arrive, but no reverse proxy is trusted: they are ignored, and the client IP "
                "is that of the connection. Behind a reverse proxy, set CHECKEND_TRUSTED_PROXIES=1 and CHECKEND_URL."
            )
        return self._wsgi_app(environ, start_response)


def _start_timer() -> None:
    g.started = time.perf_counter()


def _log_request(response: Response) -> Response:
    milliseconds = (time.perf_counter() - g.started) * 1000
    log.debug("%s %s %d %.1f ms", request.method, request.path, response.status_code, milliseconds)
    return response
