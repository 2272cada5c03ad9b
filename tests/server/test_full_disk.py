"""A server on a full disk starts, although it cannot write to standard output and error either."""

import http.client
import resource
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from checkend.app import create_app
from checkend.db.session import db
from checkend.server.waitress_server import bind
from checkend.services import services
from tests.support.server_process import environment

pytestmark = pytest.mark.slow

UNLIMITED = resource.RLIM_INFINITY


def wait_for(status: int, port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until /up responds with ``status``."""
    until = time.monotonic() + 30
    seen: object = None
    while time.monotonic() < until:
        assert process.poll() is None, f"it ended with status {process.returncode}"
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", "/up")
                seen = connection.getresponse().status
        except OSError as error:
            seen = error
        if seen == status:
            return
        time.sleep(0.1)
    raise AssertionError(f"/up: {seen}")


def test_a_full_disk_causes_503_until_there_is_space_again(tmp_path: Path) -> None:
    app = create_app({}, instance_path=tmp_path)
    services(app).close()
    with app.app_context():
        db.engine.dispose()  # SQLite removes what it needs beside the database, and must make it again
    with closing(bind("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "checkend.cli", "serve", "--port", str(port)],
            env=environment(tmp_path),
            stdout=full,
            stderr=full,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1, UNLIMITED)),
        )
    try:
        wait_for(503, port, process)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        wait_for(200, port, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
