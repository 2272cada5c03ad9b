"""Hostile requests to every route of the API: each gets a clean 4xx in the error format, and changes nothing."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from checkend.api.openapi.document import build_document
from tests.support.api import Api
from tests.support.server_process import LiveServer

LONG_ID = "1" + "0" * 19
IDS = (LONG_ID, "-1", "٣", "1%00", "%ED%A0%80", "a" * 4000)
PAGES = ("-1", "0", "1.5", "1e9", "NaN", "\0", "٣", "9" * 5000, "1 2")  # a page beyond the end is empty, however far
VALUES = (
    None,
    True,
    10**19,
    "",
    "\0",
    "\ud800",
    "x" * 100_000,
    [],
    {},
    [None],
    json.loads("[" * 500 + "]" * 500),
)
MALFORMED = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"1",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"name": "a", "name": "b"}',
    b'{"app": {"name": "a", "name": "b"}}',
    b'{"name": NaN',
    b"name=x",
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    from checkend import api

    app = Flask("checkend")
    api.register(app)
    return build_document(app, "")


@pytest.fixture
def filled(api: Api) -> Api:
    """Provide an API with one record of each kind, whose id is 1."""
    api.post("/users", {"email_address": "ada@example.com", "password": "correct horse"})
    api.post("/apps", {"name": "Shop"})
    api.post("/teams", {"name": "Core", "owner_id": 1})
    return api


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            if path.startswith("/api/"):
                yield method.upper(), path, item[method]


def fill(path: str, **ids: str) -> str:
    return re.sub(r"{(\w+)}", lambda match: ids.get(match[1], "1"), path.removeprefix("/api/v1"))


def assert_clean(response: Any, *, what: object) -> None:
    """Fail unless the response is a 4xx in the format of errors."""
    assert 400 <= response.status_code < 500, (what, response.status_code, response.text[:200])
    value = response.get_json()
    assert isinstance(value["error"], str), what
    assert value["message"], what
    assert (response.status_code == 422) == ("messages" in value), what
    assert "Traceback" not in response.text, what


@pytest.mark.slow
def test_ids_that_cannot_exist_are_not_found(filled: Api, document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for name in re.findall(r"{(\w+)}", path):
            for id in IDS:
                body = {"problem_ids": [1]} if "requestBody" in operation else None
                response = filled.call(method, fill(path, **{name: id}), body)
                assert_clean(response, what=(method, path, name, id))
                assert response.status_code in (404, 405, 422), (method, path, name, id, response.status_code)


def test_pages_that_cannot_exist_are_rejected(filled: Api, document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for parameter in operation["parameters"]:
            if parameter["name"] in ("page", "per_page"):
                for value in PAGES:
                    if value.isascii() and value.isdigit() and value != "0":
                        continue
                    response = filled.call(method, f"{fill(path)}?{parameter['name']}={quote(value)}")
                    assert_clean(response, what=(method, path, value))


@pytest.mark.slow
def test_bodies_that_are_no_json_objects_are_rejected(filled: Api, document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if "requestBody" in operation:
            for body in MALFORMED:
                response = filled.client.open(
                    f"/api/v1{fill(path)}",
                    method=method,
                    data=body,
                    headers=filled.headers,
                    content_type="application/json",
                )
                assert_clean(response, what=(method, path, body[:40]))
                assert response.status_code in (400, 404), (method, path, body[:40], response.status_code)


@pytest.mark.slow
def test_values_of_the_wrong_type_are_rejected_in_every_field(filled: Api, document: dict[str, Any]) -> None:
    rejected = 0
    for method, path, operation in operations(document):
        if "requestBody" not in operation:
            continue
        example = operation["requestBody"]["content"]["application/json"].get("example") or {}
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        bare = document["components"]["schemas"][schema.get("anyOf", [schema])[0]["$ref"].rpartition("/")[2]]
        for name, field in bare["properties"].items():
            is_allowed = Draft202012Validator({**document, **field}).is_valid
            for value in VALUES:
                if "type" not in field and "anyOf" not in field:
                    continue  # read-only: ignored
                if name.startswith("password") and method != "POST" and not value:
                    continue  # the password stays as it is
                if is_allowed(value) and not (isinstance(value, str) and value in ("\0", "\ud800")):
                    continue
                response = filled.call(method, fill(path), {**example, name: value})
                assert_clean(response, what=(method, path, name, str(value)[:40]))
                rejected += 1
    assert rejected > 300


def test_methods_that_a_route_does_not_have_are_rejected_with_those_that_it_has(
    filled: Api, document: dict[str, Any]
) -> None:
    for path, item in document["paths"].items():
        if not path.startswith("/api/"):
            continue
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - {name.upper() for name in item}:
            response = filled.call(method, fill(path))
            assert_clean(response, what=(method, path))
            assert response.status_code == 405, (method, path, response.status_code)
            assert method not in response.headers["Allow"].split(", ")


HEAD = b"GET /api/v1/apps HTTP/1.1\r\nHost: example.com\r\n"


@pytest.mark.slow
def test_requests_that_are_no_http_get_an_error_in_the_same_format(tmp_path: Path) -> None:
    requests = {
        HEAD + b"X-Long: " + b"a" * 300_000 + b"\r\n\r\n": 431,
        b"GET /api/v1/" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: example.com\r\n\r\n": 431,
        HEAD + b"No colon\r\n\r\n": 400,
        HEAD + b"Content-Length: -5\r\n\r\n": 400,
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n": 400,
        HEAD + b"X-Nul: \0\r\n\r\n": 400,
        HEAD + b"Checkend-API-Key: \xff\r\n\r\n": 401,
    }
    with LiveServer(tmp_path) as server:
        address = urlsplit(server.url)
        for request, status in requests.items():
            with closing(socket.create_connection((address.hostname, address.port), 10)) as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                received = b"".join(iter(lambda client=client: client.recv(65536), b""))
            head, _, body = received.partition(b"\r\n\r\n")
            assert int(head.split()[1]) == status, (request[:100], received[:200])
            assert b"content-type: application/json" in head.lower()
            assert json.loads(body).keys() >= {"error", "message"}
