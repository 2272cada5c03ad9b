"""curl commands as the documents print them, sent through Flask's test client."""

import argparse
import gzip
import shlex
from collections.abc import Mapping
from string import Template

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from checkend.api.openapi.examples import format_json

# The test client sends neither Date nor Server, and Content-Length follows from the body.
UNPRINTED_HEADERS = frozenset({"Content-Length", "Date"})

_parser = argparse.ArgumentParser(prog="curl", add_help=False, allow_abbrev=False)
_parser.add_argument("url")
_parser.add_argument("-X", dest="method")
_parser.add_argument("-H", dest="headers", action="append", default=[])
_parser.add_argument("-d", "--data-binary", dest="data")
_parser.add_argument("-i", dest="with_headers", action="store_true")


class Curl:
    """A request, read from a curl command. Raises ValueError for options that are not supported here."""

    def __init__(self, command: str, variables: Mapping[str, str], files: Mapping[str, str]) -> None:
        _, *arguments = [Template(word).substitute(variables) for word in shlex.split(command.replace("\\\n", ""))]
        options, unsupported = _parser.parse_known_args(arguments)
        if unsupported:
            raise ValueError(f"unsupported options {unsupported} in {command}")
        self.url: str = options.url
        self.with_headers: bool = options.with_headers
        self.body = _read(options.data, files)
        self.method: str = options.method or ("GET" if self.body is None else "POST")
        pairs = (header.partition(":") for header in options.headers)
        self.headers = [(name, value.strip()) for name, _, value in pairs]
        if self.body is not None and "content-type" not in {name.lower() for name, _ in self.headers}:
            self.headers.append(("Content-Type", "application/x-www-form-urlencoded"))  # as curl does

    def send(self, client: FlaskClient) -> TestResponse:
        """Send the request to the app of ``client``."""
        return client.open(self.url, method=self.method, headers=self.headers, data=self.body)


def _read(data: str | None, files: Mapping[str, str]) -> bytes | None:
    """Return the body for the option -d; ``@name`` is one of ``files``, and ``@name.gz`` one of them compressed."""
    if data is None or not data.startswith("@"):
        return None if data is None else data.encode()
    name = data.removeprefix("@")
    return gzip.compress(files[name.removesuffix(".gz")].encode()) if name.endswith(".gz") else files[name].encode()


def format_response(response: TestResponse, *, with_headers: bool) -> str:
    """Return the status line, the headers if asked for, and the body, with JSON laid out for readers."""
    lines = [f"HTTP/1.1 {response.status}"]
    if with_headers:
        lines += [f"{name}: {value}" for name, value in response.headers if name not in UNPRINTED_HEADERS]
    if response.data:
        lines += ["", format_json(response.get_json()) if response.is_json else response.get_data(as_text=True)]
    return "\n".join(lines)
