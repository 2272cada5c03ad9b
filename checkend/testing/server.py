"""A Checkend server for the duration of a test, in this process or in its own."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from checkend.client.connection import ServerConnection
from checkend.exceptions import CheckendError
from checkend.testing.app import CheckendApp, control_request
from checkend.testing.types import Access

if TYPE_CHECKING:
    from checkend.testing._runner.fixture import Fixture
    from checkend.testing._runner.runner import FixtureRunner

STOP_SECONDS = 15.0  # for the server to end; it needs 8 at most


class ServerStartError(CheckendError):
    """The server did not start; the message states why."""


class ServerNotRunningError(RuntimeError):
    """The server has not been started, or has been stopped."""

    def __init__(self) -> None:
        super().__init__("The server is not running: use it in `with Server() as server:`.")


class Server:
    """A real server on a free port of this machine, with a temporary database that is removed when it stops.

    ``with Server() as server:`` runs it in a thread of this process, ``with Server(process=True) as server:`` in a
    process of its own. ``settings`` are Checkend's settings by name; settings in the environment are ignored. Starting
    it raises `ServerStartError`, or what `checkend.create_app` raises.
    """

    def __init__(self, *, process: bool = False, settings: Mapping[str, Any] | None = None) -> None:
        self._runner: _ThreadRunner | _ProcessRunner = (_ProcessRunner if process else _ThreadRunner)(
            dict(settings or {})
        )
        self._control: ServerConnection | None = None
        self._app: CheckendApp | None = None
        self._process_id = 0

    def start(self) -> "Server":
        """Start the server; it is ready when this returns. Without ``with``, `stop` must be called."""
        url = self._runner.start()
        self._process_id = os.getpid()
        self._control = ServerConnection(url)
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stop the server and remove its database; does nothing if it is not running."""
        if self._control is None or self._process_id != os.getpid():  # a forked child exits: the server is its parent's
            return
        atexit.unregister(self.stop)
        if self._app is not None:
            self._app.disconnect()
        self._control.close()
        self._control = self._app = None
        self._runner.stop()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL of the server. Raises `ServerNotRunningError`."""
        return self._connection.url

    @property
    def app(self) -> CheckendApp:
        """An app on the server, the same on every access. Raises `ServerNotRunningError`."""
        if self._app is None:
            access = self._runner.access or self._runner.create_app("main")
            self._app = CheckendApp(access, self._connection, self._runner.remove_app)
        return self._app

    def new_app(self, name: str = "test") -> CheckendApp:
        """Create another app with keys of its own; `CheckendApp.close` removes it. Raises `ServerNotRunningError`."""
        return CheckendApp(self._runner.create_app(name), self._connection, self._runner.remove_app)

    @property
    def _connection(self) -> ServerConnection:
        if self._control is None:
            raise ServerNotRunningError
        return self._control


class _ThreadRunner:
    """Runs the server in a thread of this process."""

    access: Access | None = None

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._fixture_runner: FixtureRunner | None = None

    def start(self) -> str:
        from checkend.testing._runner.runner import FixtureRunner

        self._fixture_runner = FixtureRunner(self._settings)
        return self._fixture_runner.fixture.url

    def create_app(self, name: str) -> Access:
        return self._fixture.create_app(name)

    def remove_app(self, slug: str) -> None:
        self._fixture.remove_app(slug)

    @property
    def _fixture(self) -> "Fixture":
        if self._fixture_runner is None:
            raise ServerNotRunningError
        return self._fixture_runner.fixture

    def stop(self) -> None:
        if self._fixture_runner is not None:
            self._fixture_runner.stop()
            self._fixture_runner = None


class _ProcessRunner:
    """Runs the server as a child process, ``checkend fixture``, which ends with this process, however this ends."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._child: subprocess.Popen[str] | None = None
        self._control: ServerConnection | None = None
        self.access: Access | None = None

    def start(self) -> str:
        options = [f"--set={name}={value}" for name, value in self._settings.items()]
        command = [sys.executable, "-m", "checkend.cli", "fixture", *options]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment()
        )
        assert self._child.stdout is not None  # because of PIPE
        line = self._child.stdout.readline()
        if not line:
            raise ServerStartError(f"`checkend fixture` exited with status {self._end()}; see its standard error.")
        access: Access = json.loads(line)
        self.access, self._control = access, ServerConnection(access["url"])
        return access["url"]

    def create_app(self, name: str) -> Access:
        access: Access = self._control_request("POST", "/apps", {"name": name})
        return access

    def remove_app(self, slug: str) -> None:
        self._control_request("DELETE", f"/apps/{slug}")

    def _control_request(self, method: str, path: str, body: Any = None) -> Any:
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
        assert child is not None  # both callers check or start it
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None  # because of PIPE
            pipe.close()
        try:
            return child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _environment() -> dict[str, str]:
    """Return an environment in which a child process imports this package from the same folder as this process."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
