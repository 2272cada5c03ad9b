"""A Checkend server for tests of a program that has the SDK in its environment, where the server cannot be installed.

Needs `checkend` on the PATH, where `pipx install checkend-server` or `uv tool install checkend-server` puts it, or
named by CHECKEND_SERVER; and nothing in this environment but pytest and the SDK.
"""

import json
import os
import subprocess
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest


class Checkend:
    """The server, and what was reported to it."""

    def __init__(self, access):
        self.url, self.env = access["url"], access["env"]

    def wait_for_problem(self, **query):
        return self._call("GET", "/wait", **query)["problem"]

    def assert_no_problems(self, within=0):
        self._call("GET", "/wait", count=0, timeout=within)

    def wait_for_requests(self, count, timeout=5):
        return self._call("GET", "/wait", requests=count, timeout=timeout)["requests"]

    def set_fault(self, **fault):
        self._call("POST", "/faults", fault)

    def reset(self):
        self._call("POST", "/reset")

    def _call(self, method, path, body=None, **query):
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/_fixture{path}?{urlencode(query)}", data, method=method)
        try:
            with urlopen(request) as response:
                return json.loads(response.read() or "null")
        except HTTPError as error:
            raise AssertionError(json.load(error)["error"]) from None


@pytest.fixture(scope="session")
def checkend_server():
    command = [os.environ.get("CHECKEND_SERVER", "checkend"), "fixture"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        yield Checkend(json.loads(server.stdout.readline()))
        server.stdin.close()


@pytest.fixture
def checkend_app(checkend_server, monkeypatch):
    """Provide the server with nothing reported yet, and set the variables that the SDK reads."""
    checkend_server.reset()
    for name, value in checkend_server.env.items():
        monkeypatch.setenv(name, value)
    return checkend_server
