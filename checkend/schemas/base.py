"""Base classes of schemas: handling of unknown and read-only fields, and error messages."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, pre_load

_UNKNOWN = "is not a field of this resource"


class Resource(Schema):
    """A resource: `dump` returns what the API shows, `load` what a client may set.

    ``roots`` are the keys under which a body may contain the resource. Read-only fields, and those in ``ignored``, are
    accepted and ignored, so that a response can be sent back; any other field is an error. With ``raw_names``, error
    messages use the names that fields have in JSON.
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
    """The query parameters of a route. ``aliases`` are names that `load` accepts in addition to those of the fields."""

    raw_names: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ()

    class Meta:
        unknown = EXCLUDE  # unknown parameters are reported by `checkend.schemas.unknown_parameters`

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all parameters that the route accepts."""
        return (*self.fields, *self.aliases)


def format_error_messages(schema: Schema, error: ValidationError) -> list[str]:
    """Return a complete sentence, with the name of the field, for each of the validation errors of ``schema``."""
    raw_names = getattr(schema, "raw_names", False)
    errors = error.messages_dict.items()
    return [_format_error_message(name, message, raw_names) for name, messages in errors for message in messages]


def _format_error_message(name: str, message: str, raw_names: bool) -> str:
    if message == _UNKNOWN:
        return f"Unknown field: {name[:100] if name.isprintable() else ascii(name[:100])}."
    return f"{name if raw_names else name.replace('_', ' ').capitalize()} {message}"
