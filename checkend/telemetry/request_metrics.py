"""WSGI middleware that counts and times every request."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from checkend.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# By the first segment of the path; all other paths are pages.
ROUTE_GROUPS = {
    "api": "api",
    "bootstrap": "static",
    "ingest": "ingest",
    "metrics": "monitoring",
    "static": "static",
    "up": "monitoring",
}


class RequestMetrics:
    """WSGI middleware that counts requests by route group and status, and measures the time until a response begins."""

    def __init__(self, wsgi_app: "WSGIApplication", metrics: Metrics) -> None:
        self._wsgi_app = wsgi_app
        self._metrics = metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        started = time.perf_counter()

        def start_and_count(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            segment = environ["PATH_INFO"][1:].partition("/")[0]
            group = ROUTE_GROUPS.get(segment, "pages")
            self._metrics.request(group, int(status[:3]), time.perf_counter() - started)
            return start_response(status, headers, *exc_info)

        return self._wsgi_app(environ, start_and_count)
