"""Field types of bodies and query parameters. Error messages continue a sentence that begins with the field's name."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from marshmallow import fields
from marshmallow.validate import Range

from checkend import clock
from checkend.schemas.common_passwords import is_common

_MAIL_SYNTAX = frozenset(' ,;:<>()[]"\\')  # characters with a meaning in the headers of a mail
_BOOLEANS = {"true": True, "false": False}
REQUIRED = {"required": "can't be blank.", "null": "can't be blank."}


def _contains_category(text: str, *categories: str) -> bool:
    return any(unicodedata.category(character) in categories for character in text)


class DateTimeField(fields.Field[datetime]):
    """A read-only time, in the format of `clock.iso`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(dump_only=True, **options)

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **_: Any) -> str | None:
        return clock.iso(value)


class TextField(fields.Field[str]):
    """A trimmed line of at most ``limit`` characters. Blank text is an error, or means None if that is allowed."""

    default_error_messages = {  # noqa: RUF012 - marshmallow declares it so
        **REQUIRED,
        "invalid": "must be text.",
        "too_long": "must be at most {limit} characters.",
        "control_characters": "must not contain control characters.",
    }

    def __init__(self, *, limit: int = 255, **options: Any) -> None:
        super().__init__(**options)
        self.limit = limit

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        text = value.strip()
        if not text and not self.allow_none:
            raise self.make_error("required")
        if len(text) > self.limit:
            raise self.make_error("too_long", limit=self.limit)
        if _contains_category(text, "Cc", "Cs"):
            raise self.make_error("control_characters")
        return text or None


class EmailAddressField(TextField):
    """An email address: printable text without spaces before and after exactly one @. Only mail can verify more.

    Characters that separate or quote addresses in mail headers are rejected, although RFC 5322 allows them in quotes.
    """

    default_error_messages = {"invalid_address": "is not a valid email address."}  # noqa: RUF012 - marshmallow declares it so

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> Any:
        address = super()._deserialize(value, attr, data, **options)
        name, _, host = address.partition("@")
        if not name or not host or "@" in host or not _MAIL_SYNTAX.isdisjoint(address) or not address.isprintable():
            raise self.make_error("invalid_address")
        return address


class PasswordField(fields.Field[str]):
    """A write-only password. With ``min_length`` it is a new one, which must not be common."""

    default_error_messages = {  # noqa: RUF012 - marshmallow declares it so
        **REQUIRED,
        "invalid": "must be text.",
        "too_short": "must be at least {min_length} characters.",
        "invalid_unicode": "must be valid Unicode text.",
        "common": "is one of the most common passwords. Choose another.",
    }

    def __init__(self, *, min_length: int = 0, **options: Any) -> None:
        super().__init__(load_only=True, **options)
        self.min_length = min_length

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if len(value) < self.min_length:
            raise self.make_error("too_short", min_length=self.min_length)
        if _contains_category(value, "Cs"):
            raise self.make_error("invalid_unicode")
        if self.min_length and is_common(value):
            raise self.make_error("common")
        return value


class BooleanField(fields.Field[bool]):
    """A boolean: true or false, or one of these words as text, but no other value such as 1 or "yes"."""

    default_error_messages = {  # noqa: RUF012 - marshmallow declares it so
        "null": "must be true or false.",
        "invalid": "must be true or false.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> bool:
        if isinstance(value, str):
            value = _BOOLEANS.get(value)
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class IdOrSlug(fields.Field[int | str]):
    """A reference to another record: a number is its id, text its slug or id."""

    default_error_messages = {  # noqa: RUF012 - marshmallow declares it so
        **REQUIRED,
        "invalid": "must be an id or a slug.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> int | str:
        if isinstance(value, bool) or not isinstance(value, int | str) or _contains_category(str(value), "Cs"):
            raise self.make_error("invalid")
        if value == "":
            raise self.make_error("required")
        return value


class IdList(fields.Field[list[int]]):
    """A list of one or more numeric ids."""

    default_error_messages = {  # noqa: RUF012 - marshmallow declares it so
        "required": "is required",
        "null": "is required",
        "invalid": "must be a list of ids.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> list[int]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        if not value:
            raise self.make_error("required")
        return [self._id(item) for item in value]

    def _id(self, item: Any) -> int:
        if isinstance(item, str) and item.isascii() and item.isdigit() and len(item) < 20:
            return int(item)
        if isinstance(item, bool) or not isinstance(item, int):
            raise self.make_error("invalid")
        return item


class BoundedInteger(fields.Field[int]):
    """A whole number of at least ``minimum``; larger ones than ``maximum`` are reduced to it."""

    default_error_messages = {"invalid": "must be a whole number, {minimum} or more."}  # noqa: RUF012 - marshmallow declares it so

    def __init__(self, *, minimum: int, maximum: int, **options: Any) -> None:
        super().__init__(**options)
        self.minimum, self.maximum = minimum, maximum

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> int:
        digits = str(value).strip()
        if not (digits.isascii() and digits.isdigit()):
            raise self.make_error("invalid", minimum=self.minimum)
        number = int(digits) if len(digits) < 20 else self.maximum
        if number < self.minimum:
            raise self.make_error("invalid", minimum=self.minimum)
        return min(number, self.maximum)


def whole_number(
    least: int, most: int, error: str = "must be a whole number from {least} to {most:,}.", *, allow_none: bool = False
) -> fields.Integer:
    """Return a field for a whole number from ``least`` to ``most``; ``error`` is the message for everything else."""
    message = error.format(least=least, most=most)
    return fields.Integer(
        strict=True,
        allow_none=allow_none,
        validate=Range(least, most, error=message),
        error_messages={"null": message, "invalid": message, "too_large": message},
    )


class DateBound(fields.Field[datetime]):
    """A date or a time, in UTC unless it has an offset, that begins a range or, with ``end``, ends it.

    The end of a range is the last microsecond of the day, or of the second, since responses show whole seconds.
    """

    default_error_messages = {  # noqa: RUF012 - marshmallow declares it so
        "invalid": "must be a date or a time, such as 2024-01-15 or 2024-01-15T10:30:00Z."
    }

    def __init__(self, *, end: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.end = end

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> datetime:
        text = str(value).strip()
        try:
            return datetime.combine(date.fromisoformat(text), time.max if self.end else time.min, UTC)
        except ValueError:
            pass  # not a date, so it must be a time
        try:
            # The + of an offset is decoded as a space if the client did not encode it.
            bound = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
            if self.end and not bound.microsecond:
                bound += timedelta(microseconds=999_999)
            return bound if bound.tzinfo else bound.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None
