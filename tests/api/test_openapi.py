"""The OpenAPI document: it describes every route, and nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from checkend.cli import main

COPY = Path(__file__).parents[2] / "docs" / "openapi.json"
METHODS = {"get", "post", "put", "patch", "delete", "options"}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/api/v1/openapi.json")
    assert response.status_code == 200
    return dict(response.get_json())


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1.")


def test_json_yaml_and_the_command_show_the_same_document(client: FlaskClient, document: dict[str, Any]) -> None:
    response = client.get("/api/v1/openapi.yaml")
    assert response.mimetype == "application/yaml"
    assert yaml.load(response.text, yaml.CSafeLoader) == document
    for options, load in (([], json.loads), (["--yaml"], lambda text: yaml.load(text, yaml.CSafeLoader))):
        result = CliRunner().invoke(main, ["openapi", *options])
        assert result.exit_code == 0, result.output
        assert load(result.output) == document


def test_each_route_has_an_operation_and_each_operation_a_route(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        (method.lower(), re.sub(r"<(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api/", "/ingest/"))
        for method in (rule.methods or set()) - ({"HEAD", "OPTIONS"} if rule.rule.startswith("/api/") else {"HEAD"})
    }
    assert set(operations(document)) == routes


def test_each_operation_states_its_permission_and_how_it_is_authenticated(app: Flask, document: dict[str, Any]) -> None:
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/"):
            continue
        required = getattr(app.view_functions[rule.endpoint], "permission", None)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = operations(document)[method.lower(), re.sub(r"<(\w+)>", r"{\1}", rule.rule)]
            assert operation.get("x-required-permission") == required, operation["operationId"]
            is_open = rule.endpoint.startswith(("api_health.", "api_openapi."))
            assert operation.get("security", document["security"]) == ([] if is_open else [{"apiKey": []}])
    assert document["components"]["securitySchemes"].keys() == {"apiKey", "ingestionKey"}
    assert {"ingestionKey": []} in operations(document)["post", "/ingest/v1/errors"]["security"]


def test_operation_ids_are_unique_words(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []
    assert {"list_apps", "get_app", "create_app", "update_app", "delete_app", "bulk_resolve_problems"} <= set(ids)


def test_bodies_are_closed_and_responses_are_open(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        is_body = name.endswith(("Input", "Update"))
        assert (schema.get("additionalProperties") is False) == is_body, name


def test_every_operation_and_resource_is_described(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        assert re.fullmatch(r"[A-Z].*[^.]", operation["summary"]), operation["operationId"]
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description") or name.endswith(("Input", "Update")) or name == "Pagination", name


def test_the_copy_in_the_documentation_is_current(document: dict[str, Any]) -> None:
    """After a change of the API: ``checkend openapi > docs/openapi.json``."""
    copy = json.loads(COPY.read_text(encoding="utf-8"))
    before, after = operations(copy), operations(document)
    changed = {route for route in before.keys() | after.keys() if before.get(route) != after.get(route)}
    assert changed == set()
    assert copy == document
