"""Compare every response of the API that a test receives with the OpenAPI document.

A response is checked with openapi-core when its shape, the types of its values, is new for its operation and status:
checking each of the suite's responses would take minutes.
"""

import gzip
import re
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from checkend import api
from checkend.api.openapi.document import build_document

_checked: set[tuple[str, str, int, str]] = set()


def check_response(client: FlaskClient, response: TestResponse) -> None:
    """Raise an exception of openapi-core if the document does not describe ``response`` to a request of the API."""
    request = response.request
    path = re.sub(r"^/+", "/", request.path)
    if not path.startswith(("/api/", "/ingest/")) or request.method in ("HEAD", "OPTIONS"):
        return
    if path.startswith("/api/"):
        path = path.removesuffix("/").removesuffix(".json")
    rule = _rule(client, path, request.method)
    if rule is None or not rule.endpoint.startswith(("api_", "ingest.")):  # there is no such route, or only in a test
        return
    key = (rule.endpoint, request.method, response.status_code, _shape(response.get_json(silent=True)))
    if key in _checked:
        return
    sent = MockRequest("http://localhost", request.method.lower(), path.removesuffix("/"))
    data = gzip.decompress(response.data) if response.content_encoding == "gzip" else response.data
    received = MockResponse(data, response.status_code, dict(response.headers), response.mimetype)
    _openapi(re.sub(r"<(\w+)>", r"{\1}", rule.rule)).validate_response(sent, received)
    _checked.add(key)


def _rule(client: FlaskClient, path: str, method: str) -> Rule | None:
    try:
        rule, _ = client.application.url_map.bind("").match(path, method, return_rule=True)
    except (HTTPException, NotFound):
        return None
    return rule


def _shape(value: Any) -> str:
    """Return the types in ``value``: equal for responses that differ only in texts, numbers and lengths of lists."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{_shape(item)}" for name, item in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + "|".join(sorted({_shape(item) for item in value})) + "]"
    return type(value).__name__


@cache
def _openapi(path: str) -> OpenAPI:
    """Return the document without all paths but one: openapi-core goes through all of it for every response."""
    one = _document() | {"paths": {path: _document()["paths"][path]}}
    return OpenAPI.from_dict(one, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]  # a plain dict


@cache
def _document() -> dict[str, Any]:
    app = Flask("checkend")
    api.register(app)
    return build_document(app, "")
