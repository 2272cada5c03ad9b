"""JSON Schema of marshmallow schemas: bodies that are sent, and resources in responses.

A response may gain fields, so its schemas are open, and every field in them is always there unless it is marked as
``optional``. A body is closed: the API rejects fields that a resource does not have.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields, validate

from checkend.grouping.fingerprint import RULES
from checkend.schemas.app import GroupingRules
from checkend.schemas.base import Resource
from checkend.schemas.fields import (
    BooleanField,
    BoundedInteger,
    DateBound,
    DateTimeField,
    EmailAddressField,
    IdList,
    IdOrSlug,
    PasswordField,
    TextField,
)
from checkend.schemas.problem import UrlField

if TYPE_CHECKING:
    from apispec import APISpec
    from apispec.ext.marshmallow.openapi import OpenAPIConverter

JsonSchema = dict[str, Any]

_TYPES: tuple[tuple[type[fields.Field[Any]], JsonSchema], ...] = (
    (DateTimeField, {"type": "string", "format": "date-time"}),
    (UrlField, {"type": "string", "format": "uri"}),
    (GroupingRules, {"type": "array", "items": {"type": "string", "enum": list(RULES)}}),
    (EmailAddressField, {"type": "string", "format": "email"}),
    (TextField, {"type": "string"}),
    (PasswordField, {"type": "string", "format": "password"}),
    (BooleanField, {"type": "boolean"}),
    (IdOrSlug, {"type": ["integer", "string"]}),
    (IdList, {"type": "array", "items": {"type": "integer"}, "minItems": 1}),
    (BoundedInteger, {"type": "integer"}),
    (DateBound, {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
)
# Descriptions of fields that many resources have; a schema describes the others in ``descriptions``.
_COMMON = {
    "id": "Numeric id.",
    "app_id": "Id of the app.",
    "problem_id": "Id of the problem.",
    "team_id": "Id of the team.",
    "user_id": "Id of the user.",
    "name": "Its name.",
    "created_at": "When it was created.",
    "updated_at": "When it was last changed.",
}
READ_ONLY = "Read-only: ignored, so that a response can be sent back."


class Components:
    """The schemas of the document ``spec``; each is added to it when it is first referred to."""

    def __init__(self, spec: "APISpec", converter: "OpenAPIConverter") -> None:
        self._spec, self._converter = spec, converter

    def response(self, schema: Schema | type[Schema]) -> JsonSchema:
        """Return a reference to the object that ``schema`` dumps, or to an array of them if it dumps many."""
        instance = schema() if isinstance(schema, type) else schema
        shown = {name: field for name, field in instance.fields.items() if not field.load_only}
        reference = self._add(
            _name(instance),
            lambda: {
                "type": "object",
                "description": " ".join((type(instance).__doc__ or "").split("\n\n")[0].split()).replace("``", "`"),
                "properties": {name: self.field(field) | describe(instance, name) for name, field in shown.items()},
                "required": [name for name, field in shown.items() if not field.metadata.get("optional")],
            },
        )
        return {"type": "array", "items": reference} if instance.many else reference

    def body(self, schema: Resource, *, partial: bool) -> JsonSchema:
        """Return a reference to what a body may contain: the resource itself, or under one of its root keys."""
        name = f"{_name(schema)}{'Update' if partial else 'Input'}"
        bare = self._add(name, lambda: self._settable(schema, partial=partial))
        beside = self._spec.components.schemas[name]["properties"]  # fields beside the root key are read, too
        wrapped = [
            {"type": "object", "properties": {root: bare} | beside, "required": [root], "additionalProperties": False}
            for root in schema.roots
        ]
        return {"anyOf": [bare, *wrapped]} if wrapped else bare

    def field(self, field: fields.Field[Any], *, sent: bool = False) -> JsonSchema:
        """Return the JSON Schema of a field: as responses show it or, if ``sent``, with the limits on what is sent."""
        known = next((dict(schema) for kind, schema in _TYPES if isinstance(field, kind)), None)
        if known is None:
            known = self._standard(field, sent=sent)
        elif sent:
            known |= _limits(field)
        if field.allow_none and "type" in known:
            types = known["type"] if isinstance(known["type"], list) else [known["type"]]
            known["type"] = [*types, *({"null"} - set(types))]
        return known

    def _settable(self, schema: Resource, *, partial: bool) -> JsonSchema:
        settable = {name: field for name, field in schema.fields.items() if not field.dump_only}
        described = {name: self.field(field, sent=True) | describe(schema, name) for name, field in settable.items()}
        read_only = sorted(schema.ignored.union(schema.fields) - settable.keys())
        required = [name for name, field in settable.items() if field.required]
        return {
            "type": "object",
            "properties": described | {name: {"description": READ_ONLY} for name in read_only},
            "additionalProperties": False,
        } | ({"required": required} if required and not partial else {})

    def _standard(self, field: fields.Field[Any], *, sent: bool) -> JsonSchema:
        if isinstance(field, fields.Nested):
            return self.response(field.schema)
        if isinstance(field, fields.List):
            return {"type": "array", "items": self.field(field.inner, sent=sent)}
        if isinstance(field, fields.Function):
            return {"type": "array", "items": self.response(field.metadata["items"])}
        schema: JsonSchema = self._converter.field2property(field)
        return {name: value for name, value in schema.items() if name not in ("readOnly", "writeOnly", *field.metadata)}

    def _add(self, name: str, build: Callable[[], JsonSchema]) -> JsonSchema:
        if name not in self._spec.components.schemas:
            self._spec.components.schema(name, component=build())
        return {"$ref": f"#/components/schemas/{name}"}


def describe(schema: Schema, name: str) -> JsonSchema:
    """Return the description of the field ``name`` of ``schema`` as a part of its JSON Schema; {} if it has none."""
    for kind in type(schema).__mro__:
        if name in (described := vars(kind).get("descriptions", {})):
            return {"description": described[name]}
    return {"description": _COMMON[name]} if name in _COMMON else {}


def _name(schema: Schema) -> str:
    return type(schema).__name__.removesuffix("Schema")


def _limits(field: fields.Field[Any]) -> JsonSchema:
    match field:
        case TextField():
            choices = [list(rule.choices) for rule in field.validators if isinstance(rule, validate.OneOf)]
            if choices:
                return {"enum": choices[0]}
            return {"maxLength": field.limit} | ({} if field.allow_none else {"minLength": 1})
        case PasswordField() if field.min_length:
            return {"minLength": field.min_length}
        case BoundedInteger():
            return {"minimum": field.minimum}
    return {}
