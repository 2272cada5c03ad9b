"""The official Python SDK against a real server: report, read, tag, resolve and reopen."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_process import LiveServer, command

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
import checkend

checkend.configure(api_key=sys.argv[1], endpoint=sys.argv[2], environment="production")
{filler}
def load_cart():
    raise ValueError("cart is empty")

def charge():
    {more_filler}
    raise KeyError("card")

def main():
    checkend.set_context({{"order": 7}})
    checkend.set_user({{"id": "u1", "email": "a@example.com"}})
    for act in (load_cart, charge):
        try:
            act()
        except Exception as error:
            print(checkend.notify_sync(error, tags=["sdk", act.__name__]))

main()
"""


def run(python: Path, folder: Path, program: str, *arguments: str) -> str:
    script = folder / "program.py"
    script.write_text(program)
    done = subprocess.run([python, script, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reports_of_the_real_sdk_are_grouped_read_tagged_resolved_and_reopened(
    tmp_path: Path, sdk_python: Path
) -> None:
    instance, folder = tmp_path / "instance", tmp_path / "program"
    folder.mkdir()
    app = command(instance, "app", "create", "Shop")
    key = command(instance, "api-key", "create", "test", "--all")["key"]
    with LiveServer(instance, NOTICE_DEDUP_ENABLED="false") as server, server.connect() as connection:

        def ask(method: str, path: str, body: Any = None, expected: int = 200) -> Any:
            status, response = connection.ask(method, path, body, Checkend_API_Key=key)
            assert status == expected, response
            return response

        problems = f"/api/v1/apps/{app['slug']}/problems"
        run(sdk_python, folder, PROGRAM.format(filler="", more_filler="pass"), app["ingestion_key"], server.url)
        found = {problem["error_class"]: problem for problem in ask("GET", problems)["data"]}
        assert set(found) == {"ValueError", "KeyError"}

        shifted = PROGRAM.format(filler="\n\n\n", more_filler="pass\n    pass")
        run(sdk_python, folder, shifted, app["ingestion_key"], server.url + "/")
        again = {problem["error_class"]: problem for problem in ask("GET", problems)["data"]}
        assert {name: problem["id"] for name, problem in again.items()} == {
            name: problem["id"] for name, problem in found.items()
        }
        assert [problem["notices_count"] for problem in again.values()] == [2, 2]

        problem = f"{problems}/{found['ValueError']['id']}"
        assert [tag["name"] for tag in ask("GET", problem)["tags"]] == ["load_cart", "sdk"]
        notices = ask("GET", f"{problem}/notices")["data"]
        notice = ask("GET", f"{problem}/notices/{notices[0]['id']}")
        assert notice["error_message"] == "cart is empty"
        assert notice["context"]["order"] == 7
        assert notice["context"]["environment"] == "production"
        assert notice["user_info"] == {"id": "u1", "email": "a@example.com"}
        assert notice["notifier"]["name"] == "checkend-python"
        assert notice["backtrace"][-1]["method"] == "load_cart"
        assert notice["backtrace"][-1]["file"].endswith("program.py")
        assert notice["backtrace"][-1]["line"] > 0

        tag = ask("POST", f"{problem}/tags", {"name": "seen"}, 201)
        assert tag in ask("GET", f"{problem}/tags")
        assert ask("POST", f"{problem}/resolve")["status"] == "resolved"
        run(sdk_python, folder, shifted, app["ingestion_key"], server.url)
        reopened = ask("GET", problem)
        assert (reopened["status"], reopened["notices_count"]) == ("unresolved", 3)


def test_a_wrong_key_is_told_to_the_sdk(tmp_path: Path, sdk_python: Path) -> None:
    command(tmp_path / "instance", "app", "create", "Shop")
    with LiveServer(tmp_path / "instance") as server:
        said = run(sdk_python, tmp_path, PROGRAM.format(filler="", more_filler="pass"), "nobody's", server.url)
    assert json.dumps(said.split()) == '["None", "None"]'
