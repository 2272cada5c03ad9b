"""The short way of an ordinary report: around Flask's request, which costs more than all of ingestion.

Only what the route would answer 201 is answered here, and to the letter as there. Whatever is not ordinary (an
unknown key, another type, a packed body, any refusal) goes on to the route, which decides and words every refusal.
"""

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from flask import Flask

from checkend.ingest.answers import body_of, origin_headers, outcome_of
from checkend.ingest.service import Ingestion, UnknownKey
from checkend.ingest.store import Sender, Stored
from checkend.response_headers import HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/ingest/v1/errors"
COUNTED = "checkend.counted"  # the rate limit has counted the report
TO_ROUTE = "checkend.to_route"  # somebody in front wants the route to answer
FAILED = "checkend.failed"  # why it was not stored: the route answers with it instead of trying again
_TYPES = frozenset(("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"))
_STATUS = {200: "200 OK", 201: "201 CREATED"}
_HEADERS = [("Content-Type", "application/json"), *HEADERS.items()]


class ShortWay:
    """WSGI middleware in front of ``app``."""

    def __init__(self, app: Flask, into: Ingestion) -> None:
        self._app = app
        self._wsgi_app: WSGIApplication = app.wsgi_app
        self._into = into

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        sender = self._ordinary(environ)
        stored = self._take(sender, environ) if sender is not None else None
        if sender is None or stored is None:
            return self._wsgi_app(environ, start_response)
        body, status = body_of(stored, documented_200=self._into.documented_200)
        self._app.extensions["checkend_counts"].report(sender.app_id, outcome_of(stored), status)
        headers = [*_HEADERS, ("Content-Length", str(len(body))), *origin_headers(environ.get("HTTP_ORIGIN"))]
        start_response(_STATUS[status], headers)
        return [body]

    def _ordinary(self, environ: "WSGIEnvironment") -> Sender | None:
        """The sender of an ordinary report; None when it is not for this way."""
        if (
            environ["REQUEST_METHOD"] != "POST"
            or environ.get("PATH_INFO") != PATH
            or environ.get("CONTENT_TYPE", "").lower() not in _TYPES
            or "HTTP_CONTENT_ENCODING" in environ
            or TO_ROUTE in environ
            or "HTTP_TRANSFER_ENCODING" in environ
        ):
            return None
        length = environ.get("CONTENT_LENGTH", "")
        if not length.isdecimal() or int(length) > self._into.max_body_bytes:
            return None
        return self._into.remembered(environ.get("HTTP_CHECKEND_INGESTION_KEY", ""))

    def _take(self, sender: Sender, environ: "WSGIEnvironment") -> Stored | None:
        """Have the report stored; None when the route has to answer."""
        try:
            if self._into.limiter is not None:
                self._into.limiter.check(sender.app_id)
                environ[COUNTED] = True
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = BytesIO(body)
            return self._into.receive(sender, body, environ)
        except UnknownKey:
            return None  # the route finds the same, or the key's new app
        except Exception as error:
            environ[FAILED] = error
            return None
