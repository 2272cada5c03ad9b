"""docs/api.md and the examples of the API: they are those of this version, and every operation has one."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from checkend.api.openapi.document import build_document
from checkend.api.openapi.groups import GROUPS
from checkend.api.openapi.reference import build_reference
from tests.docs.api_recording import EXAMPLES, record_calls
from tests.docs.examples import DOCS
from tests.docs.record import openapi, split

API = (DOCS / "api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    from checkend import api

    app = Flask("checkend")
    api.register(app)
    return build_document(app, "")


def test_the_examples_are_what_the_app_responds() -> None:
    """After a change of the API: ``python -m tests.docs.record``."""
    recorded, kept = (json.loads(text) for text in (record_calls(), EXAMPLES.read_text(encoding="utf-8")))
    assert {name for name in recorded.keys() | kept.keys() if recorded.get(name) != kept.get(name)} == set()


def test_every_operation_has_an_example(document: dict[str, Any]) -> None:
    without = {
        operation.id
        for group in build_reference(document)
        for operation in group.operations
        if not any(not example.title for example in operation.examples)
    }
    assert without == {"get_openapi_json", "get_openapi_yaml"}  # they are the document
    report = document["paths"]["/ingest/v1/errors"]["post"]
    assert report["requestBody"]["content"]["application/json"]["example"]["error"]["class"] == "TypeError"
    assert report["responses"]["201"]["content"]["application/json"]["example"]["deduplicated"] is False


def test_every_group_is_in_the_reference_and_every_operation_in_a_group(document: dict[str, Any]) -> None:
    assert [group.name for group in build_reference(document)] == [group.name for group in GROUPS if group.blueprints]
    shown = [operation.id for group in build_reference(document) for operation in group.operations]
    put = [item["put"]["operationId"] for item in document["paths"].values() if "put" in item]
    all_of_them = [
        operation["operationId"]
        for path, item in document["paths"].items()
        if path.startswith("/api/")
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    assert sorted([*shown, *put]) == sorted(all_of_them)


def test_the_document_generates_the_sections_of_the_routes() -> None:
    _, generated = split(API)
    assert generated == openapi("--markdown")


def test_every_field_and_parameter_is_described(document: dict[str, Any]) -> None:
    for group in build_reference(document):
        for resource in group.resources:
            assert [field.name for field in resource.fields if not field.description] == [], resource.name
        for operation in group.operations:
            rows = [*operation.parameters, *operation.body]
            assert [row.name for row in rows if not row.description] == [], operation.id


def test_each_permission_is_in_the_table() -> None:
    table = set(re.findall(r"^\| `([a-z]+:[a-z]+)` \|", API, re.MULTILINE))
    assert table == set(re.findall(r"^- Permission: `([a-z]+:[a-z]+)`$", API, re.MULTILINE))
