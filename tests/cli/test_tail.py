"""``checkend tail`` and ``checkend dev``: reports in a terminal, as they arrive."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkend.testing import CheckendApp, Server
from tests.support.fixture_process import environment, listens, report, soon
from tests.support.warm_processes import Checkend, run

BACKTRACE = [
    "/srv/shop/app.py:3 in main",
    "/usr/lib/python3.11/site-packages/flask/app.py:880 in dispatch",
    "/usr/lib/python3.11/site-packages/flask/app.py:865 in run",
    "/srv/shop/cart.py:14 in total",
]


@pytest.fixture
def reported() -> Iterator[CheckendApp]:
    with Server() as server:
        yield server.app


class Started:
    """A running command, whose output can be checked while it runs."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = Checkend(list(arguments), stdout=out, stderr=err, env=environment(**variables))

    def shows(self, text: str) -> bool:
        return soon(lambda: text in self.out.read_text() + self.err.read_text(), 20)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(15)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def start_command(*arguments: str, **variables: str) -> Started:
        started.append(Started(tmp_path, *arguments, **variables))
        return started[-1]

    yield start_command
    for command in started:
        command.process.kill()
        command.process.wait()


def send(app: CheckendApp, error_class: str, message: str = "it broke", **more: Any) -> None:
    notifier = {"name": "checkend-python", "language": "python"}
    body = {"error": {"class": error_class, "message": message, **more}, "notifier": notifier}
    assert report(app, body=json.dumps(body).encode())[0] == 201


def test_tail_prints_reports_with_a_readable_stack_trace_and_a_link(
    reported: CheckendApp, start: Callable[..., Started]
) -> None:
    send(reported, "Before")
    tail = start("tail", "--url", reported.url, CHECKEND_MANAGEMENT_KEY=reported.api_key)
    assert tail.shows("Following all apps")
    send(reported, "shop.Broken", "no\nprice \x1b[31m", backtrace=BACKTRACE)
    problem = reported.wait_for_problem("shop.Broken")
    assert tail.shows(f"{reported.url}/problems/{problem['id']}")
    send(reported, "shop.Broken", "no\nprice \x1b[31m", backtrace=BACKTRACE)
    assert tail.shows("(again, 2 times now)")
    assert tail.stop() == 0
    lines = tail.out.read_text().splitlines()
    assert lines[0].endswith(" shop.Broken: no price \\x1b[31m")
    assert lines[1:6] == [
        "    → /srv/shop/cart.py:14 in total",
        "      /usr/lib/python3.11/site-packages/flask/app.py:865 in run",
        "      … 1 more library frame",
        "    → /srv/shop/app.py:3 in main",
        f"    {reported.url}/problems/{problem['id']}",
    ]
    assert "Before" not in tail.out.read_text()
    assert "Traceback" not in tail.err.read_text()


def test_tail_of_an_app_prints_only_reports_of_this_app(reported: CheckendApp, start: Callable[..., Started]) -> None:
    other = reported.client.create_app("Other")
    tail = start("tail", "other", "--url", reported.url, "--key", reported.api_key)
    assert tail.shows("Following other")
    send(reported, "OfAnotherApp")
    assert report(reported, "This", key=other["ingestion_key"])[0] == 201
    assert tail.shows("This")
    assert "OfAnotherApp" not in tail.out.read_text()


def test_tail_waits_for_a_server_that_is_restarted_and_misses_nothing(
    tmp_path: Path, start: Callable[..., Started]
) -> None:
    folder = {"CHECKEND_INSTANCE_PATH": str(tmp_path / "instance"), "CHECKEND_NOTICE_DEDUP_ENABLED": "false"}

    def command(*arguments: str) -> Any:
        return json.loads(run([*arguments, "--json"], env=environment(**folder)).stdout)

    key = command("api-key", "create", "tail", "--permission", "problems:read")["key"]
    ingestion_key = command("app", "create", "Shop")["ingestion_key"]
    (tmp_path / "one").mkdir()
    served = Started(tmp_path / "one", "serve", "--port", "0", **folder)
    assert served.shows("listening on")
    url = served.out.read_text().split()[-1]

    def send_again(error_class: str) -> None:
        access: Any = {"url": url, "ingestion_key": ingestion_key, "api_key": key, "app": "shop", "env": {}, "pid": 0}
        send(CheckendApp(access, None, lambda slug: None), error_class)  # type: ignore[arg-type]  # no control routes are used

    tail = start("tail", "--url", url, "--key", key)
    assert tail.shows("Following")
    served.stop()
    assert tail.shows("cannot be reached")
    (tmp_path / "two").mkdir()
    served = Started(tmp_path / "two", "serve", "--port", url.rpartition(":")[2], **folder)
    try:
        assert served.shows("listening on")
        send_again("Meanwhile")
        assert tail.shows("Meanwhile: it broke")
        assert tail.shows("Stack traces require an API key with notices:read, too.")
        assert tail.shows("can be reached again")
    finally:
        served.stop()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--key", "cka_wrong"], 1, "rejected the request: Invalid or revoked API key"),
        (["unknown", "--key", "KEY"], 1, "rejected the request: App not found."),
        ([], 2, "An API key is required: use --key or CHECKEND_MANAGEMENT_KEY."),
        (["--key", "KEY", "--url", "example.com"], 2, "'example.com' is not a URL"),
        (["--key", "KEY", "--url", "http://127.0.0.1:1"], 1, "Cannot follow http://127.0.0.1:1"),
    ],
)
def test_tail_explains_why_it_failed(reported: CheckendApp, arguments: list[str], status: int, message: str) -> None:
    arguments = [reported.api_key if argument == "KEY" else argument for argument in arguments]
    ran = run(["tail", "--url", reported.url, *arguments], env=environment())
    assert ran.returncode == status
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


REPORTER = (
    "import json, os, sys, urllib.request as u\n"
    "body = json.dumps({'error': {'class': 'Boom', 'message': 'in the cellar', 'backtrace': sys.argv[1:]}})\n"
    "u.urlopen(u.Request(os.environ['CHECKEND_ENDPOINT'] + '/ingest/v1/errors', body.encode(),\n"
    "    {'Content-Type': 'application/json', 'Checkend-Ingestion-Key': os.environ['CHECKEND_API_KEY']})).close()\n"
    "print(os.environ['CHECKEND_ENDPOINT'])\n"
    "raise SystemExit(3)\n"
)


def test_dev_runs_a_command_and_prints_what_it_reports(tmp_path: Path) -> None:
    folder = environment(CHECKEND_INSTANCE_PATH=str(tmp_path / "instance"))
    command = ["dev", "--", sys.executable, "-c", REPORTER, *BACKTRACE]
    for start in range(2):
        ran = run(command, env=folder)
        assert ran.returncode == 3
        url, _, printed = ran.stdout.partition("\n") if ran.stdout.startswith("http") else ("", "", ran.stdout)
        assert "Boom: in the cellar\n    → /srv/shop/cart.py:14 in total\n" in printed
        assert "/problems/1\n" in printed
        assert not url or not listens(url)
        assert ("was created" in ran.stderr) == (start == 0)
    assert (tmp_path / "instance" / "dev" / "checkend.sqlite3").exists()
    assert not (tmp_path / "instance" / "checkend.sqlite3").exists()
    folder["CHECKEND_INSTANCE_PATH"] += "/dev"
    assert json.loads(run(["api-key", "list", "--json"], env=folder).stdout) == []


def test_dev_without_a_command_prints_the_variables_to_set(tmp_path: Path, start: Callable[..., Started]) -> None:
    dev = start("dev", CHECKEND_INSTANCE_PATH=str(tmp_path / "instance"))
    assert dev.shows("CHECKEND_ENVIRONMENT=production")
    lines = [line.removeprefix("export ").split("=", 1) for line in dev.out.read_text().splitlines()]
    variables = dict(lines)
    subprocess.run(
        [sys.executable, "-c", REPORTER], env=environment(**variables), stdout=subprocess.DEVNULL, check=False
    )
    assert dev.shows("Boom: in the cellar")
    started = time.monotonic()
    assert dev.stop() == 0
    assert time.monotonic() - started < 5
    assert not listens(variables["CHECKEND_ENDPOINT"])


def test_dev_keeps_serving_with_stay(tmp_path: Path, start: Callable[..., Started]) -> None:
    dev = start(
        "dev", "--stay", "--", sys.executable, "-c", REPORTER, CHECKEND_INSTANCE_PATH=str(tmp_path / "instance")
    )
    assert dev.shows("The command exited with status 3.")
    url = next(line for line in dev.out.read_text().splitlines() if line.startswith("http"))
    assert listens(url)
    assert dev.stop() == 3
    assert not listens(url)
