"""The server under test: an app with records of every kind, its WSGI entry point and a listening socket."""

import io
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from sqlalchemy import select
from werkzeug.security import generate_password_hash
from werkzeug.test import run_wsgi_app

import checkend.models.user
from checkend.app import create_app
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db.session import db
from checkend.models import ApiKey, App
from checkend.server.waitress_server import WaitressServer, bind
from checkend.services import services
from tests.fuzz.requests import FuzzRequest
from tests.support import team
from tests.support.factories import Factory
from tests.support.pages import csrf_token

SOCKET_SECONDS = 0.05


class FuzzWorld:
    """A server on the empty folder ``instance``. Call `restore` from time to time: requests delete records."""

    def __init__(self, instance: Path) -> None:
        # Hashing passwords in earnest would take most of the time.
        cheap = partial(generate_password_hash, method="pbkdf2:sha256:1")
        checkend.models.user.generate_password_hash = cheap
        self.app = create_app({"RATE_LIMIT_ENABLED": "false", "LOG_LEVEL": "warning"}, instance_path=instance)
        self.errors: list[str] = []
        _record_errors(self.errors)
        self._world = team.build(self.app)
        make = Factory(self.app)
        for environment in ("production", "staging"):
            make.notice(self._world.ids["problem_id"], context={"environment": environment})
        self.rules = [rule for rule in self.app.url_map.iter_rules() if not rule.rule.startswith("/static")]
        self.api_key = make.run(lambda: ApiKey.create("fuzz", ALL_PERMISSIONS)[1])
        self.ingestion_key = make.run(lambda: db.session.query(App.ingestion_key).filter_by(slug="shop").scalar())
        client = self._world.client("site admin")
        self.csrf_token = csrf_token(client, "/account")
        self.cookie = "; ".join(f"{item.key}={item.value}" for item in client._cookies.values())
        self._rows = make.run(self._read_rows)
        self._serve()

    def _read_rows(self) -> dict[str, list[dict[str, Any]]]:
        tables = db.metadata.sorted_tables
        return {table.name: [dict(row._mapping) for row in db.session.execute(select(table))] for table in tables}

    def restore(self) -> None:
        """Put back the records that the server began with, and no others."""

        def act() -> None:
            for table in reversed(db.metadata.sorted_tables):
                db.session.execute(table.delete())
            for table in db.metadata.sorted_tables:
                if rows := self._rows[table.name]:
                    db.session.execute(table.insert(), rows)

        Factory(self.app).run(act)

    def argument(self, name: str, rule: str) -> list[str]:
        """Return values for a part of a route's path that name records which exist."""
        if name == "slug":
            name = {"apps": "app_id", "teams": "team_id"}.get(rule.split("/")[1], "user_id")
        known = {
            "app_id": ["shop", "shop", "other", "1", "2"],
            "app_slug": ["shop", "other"],
            "team_id": ["core", "core", "others", "1"],
            "user_id": ["sunday", "viewer", "owner", "site-admin", "2"],
        }
        return known.get(name) or [str(self._world.ids.get(name, 1))]

    def perform(self, request: FuzzRequest) -> list[str]:
        """Perform the request; return what is wrong with the response, or with what the server logged meanwhile."""
        self.errors.clear()
        wrong = self._send(request.raw) if request.raw is not None else self._call(request)
        return wrong + self.errors

    def close(self) -> None:
        """Stop the server."""
        self._server.stop()
        self._thread.join(15)
        services(self.app).close()

    def _call(self, request: FuzzRequest) -> list[str]:
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
            "QUERY_STRING": request.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "HTTP_HOST": "127.0.0.1",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(request.body)),
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        environ |= {"HTTP_" + name.upper().replace("-", "_"): item for name, item in request.headers.items()}
        body, status, headers = run_wsgi_app(self.app, environ, buffered=True)
        content = b"".join(body)
        wrong = [f"status {status}"] if int(status[:3]) >= 500 else []
        wrong += ["Traceback in the response"] if b"Traceback (most recent call last)" in content else []
        is_program = request.path.lstrip("/").startswith(("api/", "ingest/"))
        if (
            is_program
            and content
            and headers.get("Content-Type") not in ("application/json", "application/yaml", "text/html; charset=utf-8")
        ):
            wrong.append(f"content type {headers.get('Content-Type')}")
        return wrong

    def _serve(self) -> None:
        bound = bind("127.0.0.1", 0)
        self._server = WaitressServer(self.app, bound)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        parts = urlsplit(self._server.url)
        self._address = (parts.hostname, parts.port)

    def _send(self, raw: bytes) -> list[str]:
        """Send the bytes on a connection of their own, and read the response if one comes."""
        with suppress(OSError, HTTPException), socket.create_connection(self._address, timeout=5) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(SOCKET_SECONDS)
            response = HTTPResponse(connection)
            response.begin()
            # 501 is the proper response to a transfer coding that the server does not know.
            return [f"status {response.status}"] if response.status >= 500 and response.status != 501 else []
        return []


def _record_errors(errors: list[str]) -> None:
    """Append to ``errors`` what is logged with a traceback, and what ends a thread."""

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                errors.append(f"logged: {record.getMessage()[:300]}: {record.exc_info[1]!r:.500}")

    for name in ("checkend", "waitress", "flask", "sqlalchemy"):
        logging.getLogger(name).addHandler(Recorder())
    hook: Callable[[Any], None] = lambda args: errors.append(f"a thread ended with {args.exc_value!r:.500}")  # noqa: E731 - a hook
    threading.excepthook = hook
