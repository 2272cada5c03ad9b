"""The OpenAPI document as its readers see it: groups of operations, with tables of fields and recorded examples.

The page /docs/api and docs/api.md show the same.
"""

import re
from dataclasses import dataclass
from typing import Any

from checkend.api.openapi.components import READ_ONLY, JsonSchema
from checkend.api.openapi.examples import Example, examples_of

METHODS = ("get", "post", "patch", "put", "delete")
_TYPES = {"string": "text", "integer": "integer", "boolean": "boolean", "object": "object", "number": "number"}


@dataclass(frozen=True, slots=True)
class Field:
    """A row of a table: a field or parameter, its type, and its limits."""

    name: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Resource:
    """An object in responses. It has the ``fields``, and those of the resource ``base`` unless that is empty."""

    name: str
    description: str
    base: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A route: ``path`` is below /api/v1, with ``:name`` for its parameters. PATCH and PUT are one operation.

    ``permission`` is None for routes that need a key but no permission, and "" for those that need no key.
    """

    id: str
    methods: str
    path: str
    summary: str
    description: str
    permission: str | None
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    responses: tuple[tuple[int, str], ...]
    returns: str
    resource: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Operations on one kind of resource, and the resources that their responses are the first to contain."""

    name: str
    anchor: str
    description: str
    resources: tuple[Resource, ...]
    operations: tuple[Operation, ...]


def build_reference(document: dict[str, Any]) -> tuple[Group, ...]:
    """Return the operations of the Management API in ``document``, in the groups and the order of its tags."""
    return _Reference(document).groups()


class _Reference:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._schemas: dict[str, JsonSchema] = document["components"]["schemas"]
        self._shown: set[str] = {"Pagination", "Error", "ValidationError"}

    def groups(self) -> tuple[Group, ...]:
        found = []
        for tag in self._document["tags"]:
            operations = tuple(
                self._operation(path, methods)
                for path, item in self._document["paths"].items()
                for methods in _methods(item)
                if path.startswith("/api/") and item[methods[0]]["tags"] == [tag["name"]]
            )
            if operations:
                anchor = tag["name"].lower().replace(" ", "-")
                resources = tuple(self._resources([operation.resource for operation in operations]))
                found.append(Group(tag["name"], anchor, tag["description"], resources, operations))
        return tuple(found)

    def _operation(self, path: str, methods: list[str]) -> Operation:
        details = self._document["paths"][path][methods[0]]
        rule = re.sub(r"{(\w+)}", r"<\1>", path)
        parameters = [parameter for parameter in details["parameters"] if parameter["in"] == "query"]
        resource, returns = self._returned(self._success(details))
        return Operation(
            id=details["operationId"],
            methods=", ".join(method.upper() for method in methods),
            path=re.sub(r"{(\w+)}", r":\1", path.removeprefix("/api/v1")),
            summary=details["summary"],
            description=details.get("description", ""),
            permission="" if details.get("security") == [] else details.get("x-required-permission"),
            parameters=tuple(
                self._field(parameter["name"], {**parameter["schema"], "description": parameter["description"]})
                for parameter in parameters
            ),
            body=tuple(self._body(details)),
            responses=tuple(
                (int(status), self._resolve(response)["description"])
                for status, response in details["responses"].items()
            ),
            returns=returns,
            resource=resource,
            examples=examples_of(rule, methods[0].upper()),
        )

    def _success(self, details: dict[str, Any]) -> dict[str, Any]:
        return next(response for status, response in details["responses"].items() if status.startswith("2"))

    def _body(self, details: dict[str, Any]) -> list[Field]:
        if "requestBody" not in details:
            return []
        schema = details["requestBody"]["content"]["application/json"]["schema"]
        bare = self._resolve(schema.get("anyOf", [schema])[0])
        required = bare.get("required", [])
        return [
            self._field(name, field, is_required=name in required)
            for name, field in bare["properties"].items()
            if field != {"description": READ_ONLY}
        ]

    def _returned(self, response: dict[str, Any]) -> tuple[str, str]:
        """Return the name of the resource in a response, and what the response is: one, a list, or a page of them."""
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        names = [name for name in _references(schema) if name != "Pagination"]
        if not names:
            return "", ""
        if "anyOf" in schema:
            return names[0], f"list of {names[0]}; with page or per_page, a page of it"
        if "pagination" in schema.get("properties", {}):
            return names[0], f"page of {names[0]}"
        return names[0], f"list of {names[0]}" if schema.get("type") == "array" else names[0]

    def _resources(self, names: list[str]) -> list[Resource]:
        """Return the resources with these names, each with those that it contains, that were not shown before."""
        found = []
        for name in names:
            if not name or name in self._shown:
                continue
            schema = self._schemas[name]
            base = next((shown for shown in self._shown if self._extends(name, shown)), "")
            self._shown.add(name)
            own = schema["properties"].keys() - (self._schemas[base]["properties"].keys() if base else set())
            fields = tuple(self._field(field, shape) for field, shape in schema["properties"].items() if field in own)
            found.append(Resource(name, schema.get("description", ""), base, fields))
            found += self._resources(_references(schema["properties"]))
        return found

    def _extends(self, name: str, base: str) -> bool:
        """Whether the schema ``name`` has all fields of ``base``, and its name."""
        return (
            name.startswith(base)
            and self._schemas[base]["properties"].keys() < self._schemas[name]["properties"].keys()
        )

    def _field(self, name: str, schema: JsonSchema, *, is_required: bool = False) -> Field:
        return Field(name, self._type(schema), is_required, schema.get("description", ""))

    def _type(self, schema: JsonSchema) -> str:
        """Return the type of a value in words, such as ``text or null, up to 255 characters``."""
        if "$ref" in schema:
            return str(schema["$ref"].rpartition("/")[2])
        if "enum" in schema:
            return ", ".join(str(choice) for choice in schema["enum"])
        if "anyOf" in schema:
            return " or ".join(self._type(choice) for choice in schema["anyOf"])
        kinds = schema.get("type", "object")
        words = [self._kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        return " or ".join(words) + _limits(schema)

    def _kind(self, kind: str, schema: JsonSchema) -> str:
        if kind == "array":
            return f"list of {self._type(schema['items'])}"
        if kind == "string" and schema.get("format") in ("date", "date-time"):
            return "date" if schema["format"] == "date" else "time"
        return _TYPES.get(kind, kind)

    def _resolve(self, schema: JsonSchema) -> JsonSchema:
        if "$ref" not in schema:
            return schema
        target: Any = self._document
        for key in schema["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        return dict(target)


def _references(schema: Any) -> list[str]:
    return re.findall(r"#/components/schemas/(\w+)", str(schema))


def _methods(item: dict[str, Any]) -> list[list[str]]:
    """Return the methods of a path, those of one operation together."""
    methods = [method for method in METHODS if method in item]
    if "put" not in methods:
        return [[method] for method in methods]
    return [["patch", "put"] if method == "patch" else [method] for method in methods if method != "put"]


def _limits(schema: JsonSchema) -> str:
    match schema:
        case {"minimum": least, "maximum": most}:
            return f", {least} to {most}"
        case {"minimum": least} if least > 0:
            return f", {least} or more"
        case {"maxLength": most}:
            return f", up to {most} characters"
        case {"minLength": least} if least > 1:
            return f", at least {least} characters"
    return ""
