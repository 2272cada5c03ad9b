"""Store an ordinary report without Flask's request handling, which costs more than all of ingestion.

The fast path only produces responses that are byte for byte those of the route: 201, and 200 for duplicates. Everything
else (an unknown key, another content type, a compressed body, any error) is passed on to the route.
"""

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from checkend.ingest.exceptions import UnknownKeyError
from checkend.ingest.pipeline import Ingestion
from checkend.ingest.reports import IngestApp, IngestResult
from checkend.ingest.responses import API_HEADERS, cors_headers, metric_outcome, response_body
from checkend.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/ingest/v1/errors"
COUNTED_KEY = "checkend.counted"  # the rate limit has counted the report
TO_ROUTE_KEY = "checkend.to_route"  # set by other middleware: the route must respond
FAILED_KEY = "checkend.failed"  # the exception with which the route responds, instead of storing the report again
_TYPES = frozenset(("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"))
_STATUS = {200: "200 OK", 201: "201 CREATED"}
_HEADERS = [("Content-Type", "application/json"), *API_HEADERS.items()]


class IngestFastPath:
    """WSGI middleware that stores ordinary reports and passes every other request on."""

    def __init__(self, wsgi_app: "WSGIApplication", ingestion: Ingestion, metrics: Metrics) -> None:
        self._wsgi_app = wsgi_app
        self._ingestion = ingestion
        self._metrics = metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Respond to a request."""
        ingest_app = self._find_app(environ)
        result = self._store(ingest_app, environ) if ingest_app is not None else None
        if ingest_app is None or result is None:
            return self._wsgi_app(environ, start_response)
        body, status = response_body(result, documented_200=self._ingestion.documented_200)
        self._metrics.report(ingest_app.app_id, metric_outcome(result), status)
        headers = [*_HEADERS, ("Content-Length", str(len(body))), *cors_headers(environ.get("HTTP_ORIGIN"))]
        if self._ingestion.limiter is not None:
            headers += self._ingestion.limiter.headers(ingest_app.app_id)
        start_response(_STATUS[status], headers)
        return [body]

    def _find_app(self, environ: "WSGIEnvironment") -> IngestApp | None:
        """Return the app that an ordinary report belongs to; None for any other request."""
        if (
            environ["REQUEST_METHOD"] != "POST"
            or environ.get("PATH_INFO") != PATH
            or environ.get("CONTENT_TYPE", "").lower() not in _TYPES
            or "HTTP_CONTENT_ENCODING" in environ
            or TO_ROUTE_KEY in environ
            or "HTTP_TRANSFER_ENCODING" in environ
        ):
            return None
        length = environ.get("CONTENT_LENGTH", "")
        if not length.isdecimal() or int(length) > self._ingestion.max_body_bytes:
            return None
        return self._ingestion.apps.cached(environ.get("HTTP_CHECKEND_INGESTION_KEY", ""))

    def _store(self, ingest_app: IngestApp, environ: "WSGIEnvironment") -> IngestResult | None:
        """Store the report; return None when the route has to respond."""
        try:
            if self._ingestion.limiter is not None:
                self._ingestion.limiter.check(ingest_app.app_id)
                environ[COUNTED_KEY] = True
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = BytesIO(body)  # for the route, should it have to respond
            return self._ingestion.receive(ingest_app, body, environ)
        except UnknownKeyError:
            return None  # the route looks the key up again: it may belong to another app by now
        except Exception as error:
            environ[FAILED_KEY] = error
            return None
