"""The official Python SDK, in an environment of its own, against a server installed elsewhere."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checkend.testing import CheckendApp, Server
from tests.support.fixture_process import CHECKOUT, install_command

pytestmark = pytest.mark.slow

EXAMPLE = CHECKOUT / "docs" / "examples" / "python_sdk"
PROGRAM = """
import checkend
checkend.configure(timeout=2, **OPTIONS)
def sell(amount):
    return 100 / amount
try:
    sell(0)
except ZeroDivisionError as error:
    print(checkend.SEND(error, context={"amount": 0}))
checkend.flush(timeout=5)
print("the program goes on")
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def sdk(sdk_python: Path, tmp_path: Path) -> Run:
    """Provide a function that runs `PROGRAM` with the SDK and given variables, isolated from this checkout."""

    def run(env: dict[str, str], send: str = "notify_sync", options: str = "") -> "subprocess.CompletedProcess[str]":
        program = PROGRAM.replace("SEND", send).replace("**OPTIONS", options)
        (tmp_path / "program.py").write_text(program)
        clean = {"PATH": os.environ["PATH"], **env}
        command = [sdk_python, tmp_path / "program.py"]
        return subprocess.run(command, env=clean, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Server]:
    """Provide an app on a server in another process."""
    with Server(process=True) as server:
        yield server


@pytest.fixture
def reported(elsewhere: Server) -> Iterator[CheckendApp]:
    with elsewhere.new_app("sdk") as app:
        yield app


def test_its_reports_arrive_whole(sdk: Run, reported: CheckendApp) -> None:
    ran = sdk(reported.env, "notify")
    assert (ran.returncode, ran.stderr) == (0, "")
    problem = reported.wait_for_problem("ZeroDivisionError", message="division by zero")
    (notice,) = reported.notices(problem)
    assert notice["context"]["amount"] == 0
    assert notice["backtrace"][-1]["method"] == "sell"
    (request,) = reported.requests()
    assert request["headers"]["User-Agent"] == "checkend-python/1.0.0"
    assert request["headers"]["Checkend-Ingestion-Key"] == reported.ingestion_key
    assert request["json"]["error"]["class"] == "ZeroDivisionError"
    assert request["json"]["context"]["environment"] == "production"
    assert request["status"] == 201


def test_a_429_is_given_up_at_once_and_the_program_goes_on(sdk: Run, reported: CheckendApp) -> None:
    reported.faults.answer(429, retry_after=1)
    ran = sdk(reported.env)
    assert (ran.returncode, ran.stdout) == (0, "None\nthe program goes on\n")
    assert [(request["status"], request["fault"]) for request in reported.requests()] == [(429, "429")]
    assert not reported.problems()


@pytest.mark.parametrize("fault", ["hang", "cut"])
def test_a_server_that_does_not_answer_is_given_up(sdk: Run, reported: CheckendApp, fault: str) -> None:
    getattr(reported.faults, fault)()
    ran = sdk(reported.env)
    assert (ran.returncode, ran.stdout) == (0, "None\nthe program goes on\n")
    (request,) = reported.wait_for_requests(1)
    assert (request["fault"], request["status"], request["answer"]) == (fault, None, None)
    assert request["json"]["error"]["message"] == "division by zero"


def test_a_dead_server_is_given_up(sdk: Run) -> None:
    with Server(process=True) as server:
        env = server.app.env
    ran = sdk(env)
    assert (ran.returncode, ran.stdout) == (0, "None\nthe program goes on\n")


def test_its_silence_outside_production_is_explained(sdk: Run, reported: CheckendApp) -> None:
    assert sdk({**reported.env, "CHECKEND_ENVIRONMENT": "test"}).stdout == "None\nthe program goes on\n"
    with pytest.raises(AssertionError, match="SDKs report only in production and staging"):
        reported.wait_for_problem(timeout=0)


def test_the_fixture_command_guards_a_program_with_the_sdk(sdk_python: Path, tmp_path: Path) -> None:
    command = install_command(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM.replace("SEND", "notify").replace("**OPTIONS", ""))
    guarded = [command, "fixture", "--fail-on-error", "--", sdk_python, "program.py"]
    clean = {"PATH": os.environ["PATH"]}
    ran = subprocess.run(guarded, env=clean, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert "the program goes on" in ran.stdout
    assert "1 x ZeroDivisionError: division by zero" in ran.stderr


def test_the_example_in_the_docs(sdk_python: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "example")
    environment = {"PATH": os.environ["PATH"], "CHECKEND_SERVER": str(install_command(tmp_path))}
    command = [sdk_python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, env=environment, cwd=tmp_path / "example", capture_output=True, text=True, timeout=60)
    assert "3 passed" in ran.stdout, ran.stdout + ran.stderr
