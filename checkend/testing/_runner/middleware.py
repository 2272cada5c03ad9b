"""WSGI middleware around the server that records requests in the journal and applies faults to reports."""

import io
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from flask import Flask, request
from waitress.channel import ClientDisconnected

from checkend.client.connection import USER_AGENT
from checkend.exceptions import ApiError
from checkend.ingest.fast_path import TO_ROUTE_KEY
from checkend.server.error_handlers import MESSAGES
from checkend.testing.faults import Fault, Faults
from checkend.testing.journal import Journal, JournalEntry

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTROL_PATH = "/_fixture"
FAULT_KEY = "checkend.fault"
# waitress knows whether the client has disconnected, but does not notify: poll at this interval.
POLL_SECONDS = 0.02


class RecordingMiddleware:
    """Records the requests to ``wsgi_app`` and applies faults; passes those below `CONTROL_PATH` to ``control``.

    ``app_of`` returns the slug of the app with an ingestion key, or None.
    """

    def __init__(
        self,
        wsgi_app: "WSGIApplication",
        control: "WSGIApplication",
        journal: Journal,
        faults: Faults,
        app_of: Callable[[str], str | None],
    ) -> None:
        self._wsgi_app, self._control = wsgi_app, control
        self._journal, self._faults, self._app_of = journal, faults, app_of

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == CONTROL_PATH or path.startswith(CONTROL_PATH + "/"):
            return self._control(environ, start_response)
        if environ.get("HTTP_USER_AGENT") == USER_AGENT:
            return self._wsgi_app(environ, start_response)
        entry = self._record(environ)
        try:
            return self._respond(entry, environ, start_response)
        finally:
            self._journal.finish(entry)

    def _record(self, environ: "WSGIEnvironment") -> JournalEntry:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        query = environ.get("QUERY_STRING", "")
        key = environ.get("HTTP_CHECKEND_INGESTION_KEY") or parse_qs(query).get("key", [""])[0]
        return self._journal.open(
            method=environ["REQUEST_METHOD"],
            path=environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace"),
            query=query,
            headers=_headers(environ),
            body=body,
            key=key,
            app=self._app_of(key) if key else None,
        )

    def _respond(
        self, entry: JournalEntry, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        fault = self._faults.take(entry.app) if entry.is_report else None
        if fault is not None:
            entry.fault = fault.label
            self._apply(fault, environ)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            entry.status, entry.answer_headers = int(status.split()[0]), dict(headers)
            return start_response(status, headers, *rest)

        response = self._wsgi_app(environ, start)
        try:
            entry.answer = b"".join(response)
        finally:
            if hasattr(response, "close"):
                response.close()
        return [entry.answer]

    def _apply(self, fault: Fault, environ: "WSGIEnvironment") -> None:
        """Delay the report, close its connection, or leave it to `respond_with_faults`."""
        if fault.kind == "status":
            environ[FAULT_KEY] = fault
            environ[TO_ROUTE_KEY] = True
            return
        if fault.kind == "slow":
            _delay(fault, environ, fault.seconds)
            return
        if fault.kind == "hang":
            _delay(fault, environ, None)
        raise ClientDisconnected  # waitress then closes the connection without a response


def _delay(fault: Fault, environ: "WSGIEnvironment", seconds: float | None) -> None:
    """Wait for ``seconds`` (None: indefinitely), or until the client disconnects or the fault is removed."""
    is_disconnected = environ["waitress.client_disconnected"]
    deadline = None if seconds is None else time.monotonic() + seconds
    while not is_disconnected():
        remaining = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
        if remaining <= 0 or fault.released.wait(remaining):
            return


def respond_with_faults(app: Flask) -> None:
    """Make ``app`` respond with the status of a fault, with the format and headers of its own error responses."""

    @app.before_request
    def raise_fault() -> None:
        fault = request.environ.get(FAULT_KEY)
        if fault is not None:
            message = MESSAGES[fault.status] if fault.status in (500, 503) else fault.message
            raise ApiError(fault.status, message, retry_after=fault.retry_after)


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    headers = {name[5:].replace("_", "-").title(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").title()] = environ[name]
    return headers
