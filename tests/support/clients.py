"""Many clients of a real server at once, and how long each of them waits."""

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from checkend.app import create_app
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import ApiKey
from checkend.services import services
from tests.support.factories import Factory
from tests.support.server_process import LiveServer

Request = tuple[Any, str, str, Any, dict[str, str]]  # its name, and what HTTPConnection.request takes


@dataclass(frozen=True)
class Answer:
    """Response to one request, with its duration and time."""

    name: str | int
    status: int
    seconds: float
    at: float


class Channel:
    """Stand-in for waitress's channel: a request that arrived ``seconds`` ago, for eight threads."""

    def __init__(self, seconds: float) -> None:
        self.last_activity = time.time() - seconds
        self.server = SimpleNamespace(adj=SimpleNamespace(threads=8))

    def check_client_disconnected(self) -> bool:
        return False


class Clients:
    """Threads that send requests to a real server, each over its own connection. A context manager that ends them."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.answers: list[Answer] = []

    def start(self, number: int, request: Callable[[], Request]) -> None:
        """Start ``number`` clients; ``request`` makes each of their requests."""

        def work() -> None:
            connection = http.client.HTTPConnection(self._server.url.removeprefix("http://"), timeout=30)
            while not self._stop.wait(0.03):
                name, method, path, body, headers = request()
                began = time.monotonic()
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                response.read()
                now = time.monotonic()
                self.answers.append(Answer(name, response.status, now - began, now))
            connection.close()

        for _ in range(number):
            self._threads.append(threading.Thread(target=work))
            self._threads[-1].start()

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stored_since(self, moment: float) -> int:
        return sum(answer.status == 201 and answer.at > moment for answer in list(self.answers))

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def make_get(path: str, headers: dict[str, str]) -> Request:
    return path, "GET", path, None, headers


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def make_instance(folder: Path) -> tuple[str, str]:
    """Make a database with one app; return its ingestion key, and an API key with all permissions."""
    app = create_app({}, instance_path=folder)
    ingestion_key: str = Factory(app).app()["ingestion_key"]
    with app.app_context():
        with write_transaction():
            _, api_key = ApiKey.create("test", ALL_PERMISSIONS)
        db.engine.dispose()
    services(app).close()
    return ingestion_key, api_key
