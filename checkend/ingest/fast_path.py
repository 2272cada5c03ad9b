"""The short way of an ordinary report: around Flask's request, which costs more than all of ingestion.

Only what the route would answer 201 is answered here, and to the letter as there. Whatever is not ordinary (an
unknown key, another type, a packed body, any refusal) goes on to the route, which decides and words every refusal.
"""

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from checkend.ingest.pipeline import Ingestion, UnknownKeyError
from checkend.ingest.responses import API_HEADERS, cors_headers, metric_outcome, response_body
from checkend.ingest.store import IngestApp, IngestResult
from checkend.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/ingest/v1/errors"
COUNTED_KEY = "checkend.counted"  # the rate limit has counted the report
TO_ROUTE_KEY = "checkend.to_route"  # somebody in front wants the route to answer
FAILED_KEY = "checkend.failed"  # why it was not stored: the route answers with it instead of trying again
_TYPES = frozenset(("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"))
_STATUS = {200: "200 OK", 201: "201 CREATED"}
_HEADERS = [("Content-Type", "application/json"), *API_HEADERS.items()]


class IngestFastPath:
    """WSGI middleware that stores ordinary reports and passes every other request on."""

    def __init__(self, wsgi_app: "WSGIApplication", into: Ingestion, metrics: Metrics) -> None:
        self._wsgi_app = wsgi_app
        self._into = into
        self._metrics = metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        sender = self._ordinary(environ)
        stored = self._take(sender, environ) if sender is not None else None
        if sender is None or stored is None:
            return self._wsgi_app(environ, start_response)
        body, status = response_body(stored, documented_200=self._into.documented_200)
        self._metrics.report(sender.app_id, metric_outcome(stored), status)
        headers = [*_HEADERS, ("Content-Length", str(len(body))), *cors_headers(environ.get("HTTP_ORIGIN"))]
        start_response(_STATUS[status], headers)
        return [body]

    def _ordinary(self, environ: "WSGIEnvironment") -> IngestApp | None:
        """The sender of an ordinary report; None when it is not for this way."""
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
        if not length.isdecimal() or int(length) > self._into.max_body_bytes:
            return None
        return self._into.remembered(environ.get("HTTP_CHECKEND_INGESTION_KEY", ""))

    def _take(self, sender: IngestApp, environ: "WSGIEnvironment") -> IngestResult | None:
        """Have the report stored; None when the route has to answer."""
        try:
            if self._into.limiter is not None:
                self._into.limiter.check(sender.app_id)
                environ[COUNTED_KEY] = True
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = BytesIO(body)
            return self._into.receive(sender, body, environ)
        except UnknownKeyError:
            return None  # the route finds the same, or the key's new app
        except Exception as error:
            environ[FAILED_KEY] = error
            return None
