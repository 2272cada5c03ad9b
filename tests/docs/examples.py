"""The examples of a document: curl commands, each followed by the response that a server gave.

An example is a block ``sh`` that begins with ``curl``, and the block ``http`` after it. `record` sends the requests in
the order of the document to the real app over prepared data, and returns the document with the responses that it
gave. What would vary is fixed (the clock) or replaced (ingestion keys, signing secrets, the seconds of a 429), so that
a document can be compared with its recording.

Comments in a document prepare what follows them:

- ``<!-- settings: NAME=VALUE … -->``: from here on, the server runs with these settings (none: the defaults).
- ``<!-- database: missing -->``: the next request is sent while the database file is not there.
- ``<!-- notifications: sent -->``: the notifications that are due are sent before the next request.
- ``<!-- file: NAME -->``: the next block is the content of a file that commands send with ``--data-binary @NAME``.
"""

import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any
from unittest.mock import patch

from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.services import services
from tests.docs.curl import Curl, format_response
from tests.docs.world import run_commands, send_requests

DOCS = Path(__file__).parents[2] / "docs"
# Documents whose responses are recorded.
RECORDED = ("api.md", "ingestion.md")
ENDPOINT = "http://127.0.0.1:8080"

_PART = re.compile(
    r"^<!-- (?P<directive>settings|database|file|notifications):(?P<value>[^\n]*?) ?-->$"
    r"|^```sh\n(?P<command>curl .*?)\n```\n\n```http\n.*?\n?```$"
    r"|^```json\n(?P<content>.*?)\n```$",
    re.MULTILINE | re.DOTALL,
)
# Mail can be queued, but not sent: nothing listens there.
_MAIL = {"URL": "http://127.0.0.1:8080", "MAIL_HOST": "127.0.0.1", "MAIL_PORT": "9"}
_SECRET = re.compile(
    r"(cki_|whsec_)[A-Za-z0-9_+/=-]{32,}|(cka_)[0-9a-f]{10}|(/invitations/)[\w-]{43}|(/new-password/)[\w.-]+"
)
_REQUEST_ID = re.compile(r'(^X-Request-Id: |"request_id": ")[0-9a-f]{16}\b', re.MULTILINE)
_RATE_LIMIT = re.compile(r"(RateLimit-Remaining: 1199|RateLimit-Reset: )\d+")  # depend on when the minute began
_SECONDS_TO_WAIT = re.compile(r"\b(Retry-After: |Retry after )\d+")


@contextmanager
def prepared_app() -> Iterator["Recorder"]:
    """Provide the app over prepared data, at a fixed time."""
    with tempfile.TemporaryDirectory() as folder, _without_settings(), _without_logging(), _fixed_clock() as clock:
        recorder = Recorder(Path(folder) / "instance", clock)
        try:
            yield recorder
        finally:
            recorder.stop()


def record(document: str) -> str:
    """Return ``document`` with the responses that the app gives now in place of those that it shows."""
    with prepared_app() as recorder:
        return _PART.sub(recorder.replace, document)


def without_secrets(text: str) -> str:
    """Return ``text`` without what differs in each recording: keys and secrets are shortened, request ids replaced."""
    return _REQUEST_ID.sub(r"\g<1>3f9a1c0b7d5e2468", _SECRET.sub(r"\1\2\3\4…", text))


class _Clock:
    """The time of the app under test: it stands still during a request."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    def now(self, zone: Any = None) -> datetime:
        return self.time

    def advance(self) -> None:
        self.time += timedelta(seconds=5)


@contextmanager
def _fixed_clock() -> Iterator[_Clock]:
    clock = _Clock()

    class FixedDatetime(datetime):
        now = clock.now  # type: ignore[assignment]  # needs neither the class nor a zone

    with patch("checkend.clock.datetime", FixedDatetime):
        yield clock


@contextmanager
def _without_settings() -> Iterator[None]:
    names = [name for name in os.environ if name.startswith("CHECKEND_")]
    with patch.dict(os.environ):
        for name in names:
            del os.environ[name]
        yield


@contextmanager
def _without_logging() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


class Recorder:
    """Sends the requests of one document, in order."""

    def __init__(self, instance: Path, clock: _Clock) -> None:
        self._instance, self.clock = instance, clock
        self._stop: Any = None
        self.variables = {"CHECKEND_ENDPOINT": ENDPOINT, **run_commands(instance, clock.advance)}
        self.client = self._start({})
        send_requests(self.client, self.variables, clock.advance)
        self._files: dict[str, str] = {}
        self._file = ""
        self._database_is_missing = False

    def stop(self) -> None:
        """Stop the server."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def replace(self, part: re.Match[str]) -> str:
        """Return what belongs in the document in place of ``part``."""
        if part["command"]:
            return f"```sh\n{part['command']}\n```\n\n```http\n{self._response(part['command'])}\n```"
        if part["content"] is not None and self._file:
            self._files[self._file], self._file = part["content"], ""
        elif part["directive"] == "settings":
            self.stop()
            self.client = self._start(dict(pair.split("=", 1) for pair in part["value"].split()))
        elif part["directive"] == "file":
            self._file = part["value"].strip()
        elif part["directive"] == "database":
            self._database_is_missing = True
        elif part["directive"] == "notifications":
            self.send_notifications()
        return part[0]

    def _start(self, settings: dict[str, str]) -> FlaskClient:
        app = create_app(_MAIL | settings, instance_path=self._instance)
        self._stop = services(app).close
        return app.test_client()

    def send_notifications(self) -> None:
        """Send the notifications that are due."""
        worker = services(self.client.application).notifications
        while worker.has_due() or worker.sending:
            worker.run_once()
            sleep(0.01)

    def _response(self, command: str) -> str:
        self.clock.advance()
        curl = Curl(command, self.variables, self._files)
        with self._database_away() if self._database_is_missing else nullcontext():
            response = curl.send(self.client)
        text = without_secrets(format_response(response, with_headers=curl.with_headers))
        text = _RATE_LIMIT.sub(r"\g<1>45", text)
        return _SECONDS_TO_WAIT.sub(r"\g<1>45", text) if response.status_code == 429 else text

    @contextmanager
    def _database_away(self) -> Iterator[None]:
        self._database_is_missing = False
        database = next(self._instance.glob("*.sqlite3"))
        away = database.rename(database.with_suffix(".away"))
        try:
            yield
        finally:
            away.rename(database)
