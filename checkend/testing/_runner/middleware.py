"""WSGI middleware around the server: writes the journal, and lets reports meet the faults that are set."""

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
# waitress knows when the client has left, but cannot tell: it is asked this often.
POLL_SECONDS = 0.02


class RecordingMiddleware:
    """Serves ``wsgi_app``; ``control`` answers what lies below `CONTROL_PATH`, and ``app_of`` names the app of a
    key.
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
        entry = self._note(environ)
        try:
            return self._answer(entry, environ, start_response)
        finally:
            self._journal.finish(entry)

    def _note(self, environ: "WSGIEnvironment") -> JournalEntry:
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

    def _answer(
        self, entry: JournalEntry, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        fault = self._faults.take(entry.app) if entry.is_report else None
        if fault is not None:
            entry.fault = fault.label
            self._meet(fault, environ)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            entry.status, entry.answer_headers = int(status.split()[0]), dict(headers)
            return start_response(status, headers, *rest)

        answer = self._wsgi_app(environ, start)
        try:
            entry.answer = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        return [entry.answer]

    def _meet(self, fault: Fault, environ: "WSGIEnvironment") -> None:
        """Hold the report up, cut its connection, or leave it to `answer_with_faults`."""
        if fault.kind == "status":
            environ[FAULT_KEY] = fault
            environ[TO_ROUTE_KEY] = True
            return
        if fault.kind == "slow":
            _hold(fault, environ, fault.seconds)
            return
        if fault.kind == "hang":
            _hold(fault, environ, None)
        raise ClientDisconnected  # waitress closes the connection then, and sends nothing


def _hold(fault: Fault, environ: "WSGIEnvironment", seconds: float | None) -> None:
    """Wait: for so many seconds (None: for ever), but not longer than the client does and the fault is set."""
    gone = environ["waitress.client_disconnected"]
    until = None if seconds is None else time.monotonic() + seconds
    while not gone():
        left = POLL_SECONDS if until is None else min(POLL_SECONDS, until - time.monotonic())
        if left <= 0 or fault.released.wait(left):
            return


def answer_with_faults(app: Flask) -> None:
    """Let ``app`` answer as a fault says, in the words and with the headers of its own refusals."""

    @app.before_request
    def refuse() -> None:
        fault = request.environ.get(FAULT_KEY)
        if fault is not None:
            message = MESSAGES[fault.status] if fault.status in (500, 503) else fault.message
            raise ApiError(fault.status, message, retry_after=fault.retry_after)


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    found = {name[5:].replace("_", "-").title(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            found[name.replace("_", "-").title()] = environ[name]
    return found
