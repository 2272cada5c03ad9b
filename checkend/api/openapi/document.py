"""Build the document: one operation per route and method."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask import Flask
from marshmallow import Schema
from werkzeug.routing import Rule

from checkend import __version__
from checkend.api.decorators import PAGE_QUERY
from checkend.api.openapi.components import Components, JsonSchema, describe
from checkend.api.openapi.examples import Example, example_of_error, examples_of
from checkend.api.openapi.groups import GROUP_OF, GROUPS
from checkend.api.openapi.ingestion import ingestion_paths
from checkend.auth.api_keys import API_KEY_HEADER
from checkend.auth.decorators import SAFE_METHODS

if TYPE_CHECKING:
    from apispec import APISpec

PREFIX = "/api/v1"
DESCRIPTION = (
    "Manage apps, problems, notices, tags, teams, users and channels, and report errors. Responses may gain fields; "
    "bodies are rejected if they contain a field that a resource does not have."
)
# The verbs of operation ids, for the names that most blueprints give their views, and ids that do not follow the rule.
_VERBS = {"index": "list", "show": "get"}
_IDS = {
    "app_index": "list_app_arrivals",
    "deliveries": "list_deliveries",
    "facets": "get_problem_facets",
    "index_all": "list_all_problems",
    "occurrences": "get_problem_occurrences",
    "openapi_json": "get_openapi_json",
    "openapi_yaml": "get_openapi_yaml",
    "redeliver": "redeliver",
    "password_link": "create_password_link",
    "resend": "resend_invitation",
    "test_error": "send_test_error",
    "regenerate_ingestion_key": "regenerate_ingestion_key",
    "rotate_secret": "rotate_channel_secret",
}
_SLUGS = {"app_id", "team_id", "user_id"}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key gets the first response, for 24 hours.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
THROTTLED = {"resend", "test_error"}  # views that reject what is too much with 429
OPEN_BLUEPRINTS = {"api_health", "api_openapi"}
PAGINATION = {
    "page": "The number of the page, from 1.",
    "per_page": "The number of items on a page.",
    "total": "The number of items on all pages.",
    "total_pages": "The number of pages.",
}
ERRORS = {
    400: ("BadRequest", "The request is malformed, or its body is not a JSON object."),
    401: ("Unauthorized", "There is no valid API key."),
    403: ("Forbidden", "The API key lacks the permission, or the change is not open to API keys."),
    404: ("NotFound", "There is no such record."),
    409: ("Conflict", "Another request took the same name, or changed the same record, at the same time."),
    412: ("PreconditionFailed", "None of the entity tags in If-Match is that of the record."),
    413: ("PayloadTooLarge", "The body exceeds CHECKEND_MAX_BODY_BYTES."),
    415: ("UnsupportedMediaType", "The body has a content type other than JSON."),
    422: ("ValidationFailed", "A field or query parameter is invalid, or a rule is violated."),
    429: ("RateLimited", "Too many attempts. Try again after Retry-After seconds."),
    500: ("InternalError", "Unexpected; details are in the server's log."),
    503: ("Unavailable", "The database cannot be used at the moment. Try again after Retry-After seconds."),
}


def build_document(app: Flask, url: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the Management API and of ingestion, for the routes of ``app``.

    ``url`` is the URL of the server, without a trailing slash; "" if it is not known.
    """
    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin

    plugin = MarshmallowPlugin()
    spec = APISpec(
        title="Checkend",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": url or "/"}],
        security=[{"apiKey": []}],
    )
    _add_components(spec)
    assert plugin.converter is not None  # set by APISpec
    components = Components(spec, plugin.converter)
    for rule in sorted(_api_rules(app), key=lambda rule: rule.rule):
        operations = dict(_operations(app, rule, components))
        spec.path(path=_path(rule), operations=operations)
    for path, operations in ingestion_paths().items():
        for example in reversed(examples_of(path, "POST")):
            _add_example(operations["post"], example)
        spec.path(path=path, operations=operations)
    document: dict[str, Any] = spec.to_dict()
    document["tags"] = [{"name": group.name, "description": group.description} for group in GROUPS]
    return document


def _api_rules(app: Flask) -> Iterator[Rule]:
    return (rule for rule in app.url_map.iter_rules() if rule.rule.startswith(f"{PREFIX}/"))


def _path(rule: Rule) -> str:
    return str(re.sub(r"<(\w+)>", r"{\1}", rule.rule))


def _blueprint(rule: Rule) -> str:
    return str(rule.endpoint).partition(".")[0].removeprefix("api_")


def _operations(app: Flask, rule: Rule, components: Components) -> Iterator[tuple[str, dict[str, Any]]]:
    for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
        yield method.lower(), _operation(app, rule, method, components)


def _operation(app: Flask, rule: Rule, method: str, components: Components) -> dict[str, Any]:
    view: Any = app.view_functions[rule.endpoint]
    text = " ".join((view.__doc__ or "").split())
    summary, _, rest = text.partition(". ")
    permission: str | None = getattr(view, "permission", None)
    operation: dict[str, Any] = {
        "operationId": operation_id(_blueprint(rule), view.__name__, method),
        "summary": summary.removesuffix("."),
        "tags": [GROUP_OF[_blueprint(rule)]],
        "parameters": [
            *_path_parameters(rule),
            *_query_parameters(view, components),
            *([IDEMPOTENCY_KEY] if method == "POST" else []),
        ],
        "responses": _responses(app, rule, method, components),
    }
    if rest:
        operation["description"] = rest
    if hasattr(view, "body"):
        schema, is_partial = view.body
        content = {"application/json": {"schema": components.body(schema, partial=is_partial)}}
        operation["requestBody"] = {"required": True, "content": content}
    for example in reversed(examples_of(rule.rule, method)):
        _add_example(operation, example)
    if rule.endpoint.rpartition(".")[0] in OPEN_BLUEPRINTS:
        operation["security"] = []
    if permission is not None:
        operation["x-required-permission"] = permission
    return operation


def _add_example(operation: dict[str, Any], example: Example) -> None:
    """Add a recorded request and its response to the operation; the response of an error is in the components."""
    if not example.title:
        samples = {"curl": ("Shell", example.curl)} | ({"Python": ("Python", example.python)} if example.python else {})
        operation["x-codeSamples"] = [
            {"lang": language, "label": label, "source": source} for label, (language, source) in samples.items()
        ]
        if "requestBody" in operation:
            operation["requestBody"]["content"]["application/json"]["example"] = example.body
    content = operation["responses"][str(example.status)].get("content", {})
    if "application/json" in content:
        content["application/json"]["example"] = example.response


def operation_id(blueprint: str, view: str, method: str) -> str:
    """Return a stable name such as ``list_apps``, ``get_app``, ``resolve_problem`` or ``bulk_resolve_problems``."""
    verb = "put" if method == "PUT" else _VERBS.get(view, view)
    noun = blueprint if view.startswith(("index", "bulk_")) else blueprint.removesuffix("s")
    return _IDS.get(view, f"{verb}_{noun}")


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"<(\w+)>", rule.rule):
        schema = {"type": "string"} if name in _SLUGS else {"type": "integer", "minimum": 1}
        what = "Slug or numeric id" if name in _SLUGS else "Numeric id"
        description = f"{what} of the {name.removesuffix('_id')}."
        yield {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query_parameters(view: Any, components: Components) -> Iterator[dict[str, Any]]:
    schema = getattr(view, "query", None)
    if schema is None and getattr(view.response[0], "many", False):
        schema = PAGE_QUERY
    if schema is None:
        return
    for name, field in schema.fields.items():
        shape = components.field(field, sent=True)
        yield {"name": name, "in": "query", "schema": shape} | describe(schema, name)


def _responses(app: Flask, rule: Rule, method: str, components: Components) -> dict[str, Any]:
    view: Any = app.view_functions[rule.endpoint]
    schema, status = view.response
    success: dict[str, Any] = {"description": "Done." if schema is None else "The request succeeded."}
    if isinstance(schema, str):
        content = {"schema": {"type": "object"}} if schema == "application/json" else {}
        success = {"description": "This document.", "content": {schema: content}}
    elif schema is not None:
        success["content"] = {"application/json": {"schema": _success_schema(view, schema, components)}}
    statuses = {400, 422, 500, 503}
    if rule.endpoint.rpartition(".")[0] not in OPEN_BLUEPRINTS:
        statuses |= {401, 403} if hasattr(view, "permission") else {401}
    if rule.arguments:
        statuses.add(404)
    if method not in SAFE_METHODS:
        statuses.add(409)
    if hasattr(view, "body"):
        statuses |= {413, 415}
    if method in ("PATCH", "PUT"):
        statuses.add(412)
    if view.__name__ in THROTTLED:
        statuses.add(429)
    if method == "GET":
        success["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "For If-None-Match and If-Match."}}
    if getattr(view, "located", False):
        success["headers"] = {"Location": {"schema": {"type": "string"}, "description": "The URL of the new record."}}
        success["links"] = _links_to_created(app, rule)
    errors = {str(error): {"$ref": f"#/components/responses/{ERRORS[error][0]}"} for error in sorted(statuses)}
    unchanged = {"304": {"description": "Unchanged: the entity tag in If-None-Match is the current one."}}
    return {str(status): success, **(unchanged if method == "GET" else {}), **errors}


def _links_to_created(app: Flask, rule: Rule) -> dict[str, Any]:
    """Return links from a new record to the operations that show, update and delete it."""
    blueprint = _blueprint(rule)
    same = {name: f"$request.path.{name}" for name in re.findall(r"<(\w+)>", rule.rule)}
    new = {f"{blueprint.removesuffix('s')}_id": "$response.body#/id"}
    prefix = rule.endpoint.rpartition(".")[0]
    return {
        view: {"operationId": operation_id(blueprint, view, method), "parameters": same | new}
        for view, method in (("show", "GET"), ("update", "PATCH"), ("delete", "DELETE"))
        if f"{prefix}.{view}" in app.view_functions
    }


def _success_schema(view: Any, schema: Schema, components: Components) -> JsonSchema:
    reference = components.response(schema)
    if getattr(view, "paginated", False):
        return _page({"type": "array", "items": reference})
    if schema.many:
        return {"anyOf": [reference, _page(reference)]}
    return reference


def _page(rows: JsonSchema) -> JsonSchema:
    pagination = {"$ref": "#/components/schemas/Pagination"}
    properties = {"data": rows, "pagination": pagination}
    return {"type": "object", "properties": properties, "required": ["data", "pagination"]}


def _add_components(spec: "APISpec") -> None:
    spec.components.security_scheme("apiKey", {"type": "apiKey", "in": "header", "name": API_KEY_HEADER})
    spec.components.security_scheme(
        "ingestionKey", {"type": "apiKey", "in": "header", "name": "Checkend-Ingestion-Key"}
    )
    text, number = {"type": "string"}, {"type": "integer"}
    pages = {name: number | {"description": description} for name, description in PAGINATION.items()}
    pagination = {"type": "object", "properties": pages, "required": list(pages)}
    spec.components.schema("Pagination", component=pagination)
    error: JsonSchema = {
        "type": "object",
        "description": "Every error: a code for programs, and a message for people.",
        "properties": {
            "error": text | {"description": "A code, such as not_found."},
            "message": text | {"description": "A sentence."},
        },
        "required": ["error", "message"],
    }
    spec.components.schema("Error", component=error)
    messages = {"messages": {"type": "array", "items": text, "description": "One message per validation error."}}
    spec.components.schema(
        "ValidationError",
        component=error | {"properties": error["properties"] | messages, "required": [*error["required"], "messages"]},
    )
    for status, (name, description) in ERRORS.items():
        schema = "ValidationError" if status == 422 else "Error"
        response: dict[str, Any] = {
            "description": description,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        }
        if (example := example_of_error(status)) is not None:
            response["content"]["application/json"]["example"] = example
        if status in (429, 503):
            response["headers"] = {"Retry-After": {"schema": number, "description": "Seconds."}}
        spec.components.response(name, response)
