"""The kinds of values in bodies and queries. Error texts are the end of a sentence that begins with the field."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from marshmallow import fields

from checkend import clock
from checkend.schemas.common_passwords import is_common

FORBIDDEN = frozenset(' ,;:<>()[]"\\')
_FLAGS = {"true": True, "false": False}
REQUIRED = {"required": "can't be blank.", "null": "can't be blank."}


def _has(text: str, *categories: str) -> bool:
    return any(unicodedata.category(character) in categories for character in text)


class DateTimeField(fields.Field[datetime]):
    """A time, shown in the one format of `clock.iso`. Never set by a client."""

    def __init__(self, **options: Any) -> None:
        super().__init__(dump_only=True, **options)

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **_: Any) -> str | None:
        return clock.iso(value)


class TextField(fields.Field[str]):
    """A line of text, trimmed, of at most ``limit`` characters. Blank is a fault, or None where None is allowed."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        **REQUIRED,
        "invalid": "must be text.",
        "too_long": "must be at most {limit} characters.",
        "unprintable": "must not contain control characters.",
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
        if _has(text, "Cc", "Cs"):
            raise self.make_error("unprintable")
        return text or None


class EmailAddressField(TextField):
    """Something before and after exactly one @, with nothing blank or invisible in it: only mail can tell more.

    The characters that separate or quote addresses in mail headers are rejected, though RFC 5322 allows them in quotes.
    """

    default_error_messages = {"no_address": "is not a valid email address."}  # noqa: RUF012 - as marshmallow declares it

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> Any:
        address = super()._deserialize(value, attr, data, **options)
        name, _, host = address.partition("@")
        if not name or not host or "@" in host or not FORBIDDEN.isdisjoint(address) or not address.isprintable():
            raise self.make_error("no_address")
        return address


class PasswordField(fields.Field[str]):
    """A password, exactly as it was typed; never shown. With ``least`` it is a new one, which must not be common."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        **REQUIRED,
        "invalid": "must be text.",
        "too_short": "must be at least {least} characters.",
        "unwritable": "must be valid Unicode text.",
        "common": "is one of the most common passwords, which are guessed first. Choose another.",
    }

    def __init__(self, *, least: int = 0, **options: Any) -> None:
        super().__init__(load_only=True, **options)
        self.least = least

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if len(value) < self.least:
            raise self.make_error("too_short", least=self.least)
        if _has(value, "Cs"):
            raise self.make_error("unwritable")
        if self.least and is_common(value):
            raise self.make_error("common")
        return value


class BooleanField(fields.Field[bool]):
    """true or false, or one of those words as text; nothing that is merely like them."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "null": "must be true or false.",
        "invalid": "must be true or false.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> bool:
        if isinstance(value, str):
            value = _FLAGS.get(value)
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class IdOrSlug(fields.Field[int | str]):
    """Names another record: a number by its id, text by its slug or id."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        **REQUIRED,
        "invalid": "must be an id or a slug.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> int | str:
        if isinstance(value, bool) or not isinstance(value, int | str) or _has(str(value), "Cs"):
            raise self.make_error("invalid")
        if value == "":
            raise self.make_error("required")
        return value


class IdList(fields.Field[list[int]]):
    """A list of numeric ids, of which at least one is needed."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
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
    """A query parameter that is a whole number of at least ``least``; more than ``most`` is cut to it."""

    default_error_messages = {"invalid": "must be a whole number, {least} or more."}  # noqa: RUF012 - as marshmallow's

    def __init__(self, *, least: int, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> int:
        digits = str(value).strip()
        if not (digits.isascii() and digits.isdigit()):
            raise self.make_error("invalid", least=self.least)
        number = int(digits) if len(digits) < 20 else self.most
        if number < self.least:
            raise self.make_error("invalid", least=self.least)
        return min(number, self.most)


class DateBound(fields.Field[datetime]):
    """A query parameter that is a day or a time; without an offset it is meant as UTC.

    With ``end`` it stands for its last moment: that of the day, or of the second, since answers show whole seconds.
    """

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "invalid": "must be a date or a time, such as 2024-01-15 or 2024-01-15T10:30:00Z."
    }

    def __init__(self, *, end: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.end = end

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> datetime:
        text = str(value).strip()
        try:
            return self._day(date.fromisoformat(text))
        except ValueError:
            pass
        try:
            # The + of an offset reads as a space where the client did not encode it.
            return self._time(datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text))
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None

    def _day(self, day: date) -> datetime:
        return datetime.combine(day, time.max if self.end else time.min, UTC)

    def _time(self, moment: datetime) -> datetime:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        last = timedelta(microseconds=999_999) if self.end and not moment.microsecond else timedelta(0)
        return aware + last
