"""The cost of a start: memory, CPU time, and modules that are only imported when they are needed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.receiver import Receiver
from tests.support.server_process import command, environment

pytestmark = pytest.mark.slow

MAX_MEMORY_MB = 120
MAX_CPU_SECONDS = 2.0
# With the requests or commands that need them: prometheus_client with /metrics, cryptography with the first new secret,
# urllib3 with the first notification, zxcvbn with the first password, alembic with a migration, humanize with
# `checkend status`.
LAZY = ("alembic", "cryptography", "humanize", "prometheus_client", "urllib3", "zxcvbn")
START = """
import json, sys, time
from pathlib import Path

began = time.process_time()
import flask, flask_login, flask_sqlalchemy, flask_wtf, marshmallow, orjson, sqlalchemy.orm, wtforms
libraries = time.process_time()
from checkend.app import create_app
from checkend.services import services

app = create_app({"LOG_LEVEL": "error"})
ready = time.process_time()
modules = sorted({name.partition(".")[0] for name in sys.modules})
worker = services(app).notifications
worker.start()
report = {"error": {"class": "NoMethodError", "message": "It broke."}}
app.test_client().post("/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": sys.argv[1]})
until = time.monotonic() + 20
while not worker.delivered + worker.failed and time.monotonic() < until:
    time.sleep(0.02)
# The peak of this program; that of getrusage would include the process that it was forked from.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak_kb = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
services(app).close()
print(json.dumps({
    "libraries": libraries - began,
    "own": ready - libraries,
    "memory_mb": peak_kb and peak_kb / 1024,
    "modules": modules,
    "delivered": worker.delivered,
}))
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Start the app with an existing database, in a separate process, and return what it measured.

    The notification worker then delivers a notification to a webhook, which is included in the memory only.
    """
    folder, receiver = tmp_path_factory.mktemp("instance"), Receiver()
    key = command(folder, "app", "create", "Shop")["ingestion_key"]
    command(folder, "channel", "create", "shop", "webhook", "Hook", "--set", f"url={receiver.url}")
    environ = environment(folder, OUTBOUND_ALLOW="127.0.0.1")
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode, the start would compile the package
    done = subprocess.run(
        [sys.executable, "-c", START, key], env=environ, cwd=Path(__file__).parents[2], stdout=-1, check=True
    )
    receiver.close()
    return json.loads(done.stdout)


def test_a_start_imports_no_heavy_module_that_it_does_not_need(start: Any) -> None:
    assert set(LAZY) & set(start["modules"]) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_server_that_has_sent_a_notification_uses_little_memory(start: Any) -> None:
    assert start["delivered"] == 1
    assert start["memory_mb"] < MAX_MEMORY_MB


@pytest.mark.skipif("PYTHONDONTWRITEBYTECODE" in os.environ, reason="each process compiles the package anew")
def test_a_start_takes_little_time(start: Any) -> None:
    assert start["libraries"] + start["own"] < MAX_CPU_SECONDS


@pytest.mark.skipif("PYTHONDONTWRITEBYTECODE" in os.environ, reason="each process compiles the package anew")
def test_a_start_takes_about_as_long_as_importing_its_libraries(start: Any) -> None:
    assert start["own"] < 1.5 * start["libraries"]
