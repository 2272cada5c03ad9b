"""A Checkend server for the time of a test: in this process, or in its own."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from checkend.client.connection import JsonConnection
from checkend.exceptions import CheckendError
from checkend.testing.app import CheckendApp, control_request
from checkend.testing.types import Access

if TYPE_CHECKING:
    from checkend.testing._runner.fixture import Fixture
    from checkend.testing._runner.runner import FixtureRunner

STOP_SECONDS = 15.0


class ServerStartError(CheckendError):
    """The server did not start; the text says why."""


class ServerNotRunningError(RuntimeError):
    """The server has not been started, or has been stopped."""

    def __init__(self) -> None:
        super().__init__("The server does not run: use it in `with Server() as server:`.")


class Server:
    """A real server on a free port of this machine, with a temporary store that goes with it.

    ``with Server() as server:`` serves from a thread, ``Server(process=True)`` from a process of its own.
    ``settings`` are Checkend's, by name; those of the environment do not count. Raises `ServerStartError`, or what
    `checkend.create_app` raises, when it is started and cannot.
    """

    def __init__(self, *, process: bool = False, settings: Mapping[str, Any] | None = None) -> None:
        self._runs: _ThreadRunner | _ProcessRunner = (_ProcessRunner if process else _ThreadRunner)(
            dict(settings or {})
        )
        self._control: JsonConnection | None = None
        self._app: CheckendApp | None = None
        self._process_id = 0

    def start(self) -> "Server":
        """Start, ready when this returns. For use without ``with``; then `stop` must be called."""
        url = self._runs.start()
        self._process_id = os.getpid()
        self._control = JsonConnection(url)
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stop, and remove the store; no change when it is stopped."""
        if self._control is None or self._process_id != os.getpid():  # a fork's exit is not the server's
            return
        atexit.unregister(self.stop)
        if self._app is not None:
            self._app.disconnect()
        self._control.close()
        self._control = self._app = None
        self._runs.stop()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the server. Raises `ServerNotRunningError`."""
        return self._connection.url

    @property
    def app(self) -> CheckendApp:
        """An app on the server with its keys: the same at each call."""
        if self._app is None:
            access = self._runs.access
            self._app = self._hand_out(access) if access else self.new_app("main")
        return self._app

    def new_app(self, name: str = "test") -> CheckendApp:
        """A further app with keys of its own, which sees nothing of the others; `CheckendApp.close` removes it."""
        return self._hand_out(self._runs.make_app(name))

    def _hand_out(self, access: Access) -> CheckendApp:
        return CheckendApp(access, self._connection, self._runs.remove_app)

    @property
    def _connection(self) -> JsonConnection:
        if self._control is None:
            raise ServerNotRunningError
        return self._control


class _ThreadRunner:
    """Serves from a thread of this process."""

    access: Access | None = None

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._running: FixtureRunner | None = None

    def start(self) -> str:
        from checkend.testing._runner.runner import FixtureRunner

        self._running = FixtureRunner(self._settings)
        return self._running.fixture.url

    def make_app(self, name: str) -> Access:
        return self._fixture.make_app(name)

    def remove_app(self, slug: str) -> None:
        self._fixture.remove_app(slug)

    @property
    def _fixture(self) -> "Fixture":
        if self._running is None:
            raise ServerNotRunningError
        return self._running.fixture

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None


class _ProcessRunner:
    """Serves from ``checkend fixture``, which ends with this process however that ends."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._child: subprocess.Popen[str] | None = None
        self._control: JsonConnection | None = None
        self.access: Access | None = None

    def start(self) -> str:
        options = [f"--set={name}={value}" for name, value in self._settings.items()]
        command = [sys.executable, "-m", "checkend.cli", "fixture", *options]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_with_this_package()
        )
        assert self._child.stdout is not None  # it is a pipe
        line = self._child.stdout.readline()
        if not line:
            raise ServerStartError(f"`checkend fixture` ended with status {self._end()}; its standard error says why.")
        access: Access = json.loads(line)
        self.access, self._control = access, JsonConnection(access["url"])
        return access["url"]

    def make_app(self, name: str) -> Access:
        access: Access = self._ask("POST", "/apps", {"name": name})
        return access

    def remove_app(self, slug: str) -> None:
        self._ask("DELETE", f"/apps/{slug}")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        if self._control is None:
            raise ServerNotRunningError
        return control_request(self._control, method, path, body)

    def stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._child is not None:
            self._end()

    def _end(self) -> int:
        child, self._child, self.access = self._child, None, None
        assert child is not None  # both callers have started it
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None  # both are pipes
            pipe.close()
        try:
            return child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _with_this_package() -> dict[str, str]:
    """The environment in which a child of this Python finds the package where this process has it from."""
    home = str(Path(__file__).resolve().parent.parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
