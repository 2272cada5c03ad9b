"""A real server process, as its users start it."""

import http.client
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.warm_processes import Checkend, run

START_SECONDS = 30


def environment(instance: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a process that uses the instance folder, without settings from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHECKEND_")}
    chosen = {f"CHECKEND_{name}": value for name, value in settings.items()}
    return kept | {"CHECKEND_INSTANCE_PATH": str(instance), "PYTHONUNBUFFERED": "1"} | chosen


def command(instance: Path, *arguments: str, stdin: str = "") -> Any:
    """Return the parsed output of ``checkend ARGUMENTS --json``. Fail the test if the command fails."""
    done = run([*arguments, "--json"], env=environment(instance), stdin_text=stdin)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class LiveServer:
    """``checkend serve`` on a free port over the instance folder, ready when made. A context manager."""

    def __init__(self, instance: Path, **settings: str) -> None:
        self.process = Checkend(
            ["serve", "--port", "0"],
            env=environment(instance, **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if " on http" in line:
                self.url = line.rsplit(" ", 1)[1].strip()
                return
        raise AssertionError(f"the server ended with status {self.process.wait()}")

    def __enter__(self) -> "LiveServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """End it as a service manager would; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """End it without a warning."""
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        status = self.process.wait(timeout=START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def connect(self) -> "Connection":
        return Connection(self.url)


class Connection:
    """One kept-alive connection that speaks JSON."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return the status and the JSON of the response; header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = json.dumps(body)
            sent["Content-Type"] = "application/json"
        self._connection.request(method, path, data, sent)
        answer = self._connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
