"""What all schemas share: unknown and read-only fields, and one full sentence for each fault."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, pre_load

_UNKNOWN = "is not a field that this resource has"


class Resource(Schema):
    """The shape of a resource: `dump` gives what the API shows, `load` what a client may set.

    ``roots`` are the keys under which a body may hold the resource. Read-only fields, and those in ``ignored``, may
    be sent and change nothing, so that an answer can be sent back; any other field is a fault. With ``raw_names``
    the sentences call fields by their names in JSON.
    """

    roots: ClassVar[tuple[str, ...]] = ()
    ignored: ClassVar[frozenset[str]] = frozenset()
    raw_names: ClassVar[bool] = False
    error_messages = {"unknown": _UNKNOWN}  # noqa: RUF012 - as marshmallow declares it

    class Meta:
        unknown = RAISE

    @pre_load
    def _drop_read_only(self, data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        read_only = self.ignored.union(name for name, field in self.fields.items() if field.dump_only)
        return {name: value for name, value in data.items() if name not in read_only}


class Query(Schema):
    """The query parameters of a route. ``aliases`` are names that `load` accepts besides those of the fields."""

    raw_names: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ()

    class Meta:
        unknown = EXCLUDE  # the caller compares them with `parameters`

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that the route recognizes."""
        return (*self.fields, *self.aliases)


def format_error_messages(schema: Schema, error: ValidationError) -> list[str]:
    """One full sentence for each fault that ``schema`` found, naming the field."""
    raw_names = getattr(schema, "raw_names", False)
    found = error.messages_dict
    return [_format_error_message(name, message, raw_names) for name, messages in found.items() for message in messages]


def _format_error_message(name: str, message: str, raw_names: bool) -> str:
    if message == _UNKNOWN:
        return f"Unknown field: {name[:100] if name.isprintable() else ascii(name[:100])}."
    return f"{name if raw_names else name.replace('_', ' ').capitalize()} {message}"
