"""The form that mutes problems: a duration, or a condition with its own fields."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import ValidationError

from checkend import clock
from checkend.exceptions import DomainError
from checkend.models.mute import MuteTerms
from checkend.schemas.base import format_error_messages
from checkend.schemas.mute import MuteTermsSchema, mute_terms

# The choices that need no other field, by the value of ``mute``, with their labels.
DURATIONS = {
    "forever": "until unmuted",
    "1h": "for 1 hour",
    "1d": "for 1 day",
    "7d": "for 7 days",
    "release": "until the next release",
}
_PERIODS = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7)}
# The fields of the other choices.
_FIELDS = {"time": ("until",), "occurrences": ("occurrences",), "rate": ("occurrences", "within_minutes")}
_LABELS = {
    "until ": "The time ",
    "occurrences ": "The number of occurrences ",
    "within_minutes ": "The number of minutes ",
    "reason ": "The reason ",
}


def read_terms(form: Mapping[str, str]) -> MuteTerms:
    """Return the terms that a form asks for. Raises `DomainError` for an unknown choice and invalid values."""
    choice = form.get("mute", "")
    data: dict[str, Any] = {"reason": form.get("reason", "")}
    if choice in _PERIODS:
        return MuteTerms(until=clock.now() + _PERIODS[choice], reason=_load(data).reason)
    if choice == "release":
        data["until_release"] = True
    elif choice in _FIELDS:
        data |= {name: _value(name, form.get(f"{choice}_{name}", "")) for name in _FIELDS[choice]}
    elif choice != "forever":
        raise DomainError("Choose how long to mute.")
    return _load(data)


def _value(name: str, text: str) -> Any:
    """Return the number that was entered, else the text, about which the schema complains."""
    digits = text.strip()
    return int(digits) if name != "until" and digits.isascii() and digits.isdigit() and len(digits) < 16 else digits


def _load(data: dict[str, Any]) -> MuteTerms:
    schema = MuteTermsSchema()
    try:
        return mute_terms(schema.load(data))
    except ValidationError as error:
        raise DomainError(*(_relabel(message) for message in format_error_messages(schema, error))) from None


def _relabel(message: str) -> str:
    name = next((name for name in _LABELS if message.startswith(name)), "")
    return _LABELS.get(name, "") + message.removeprefix(name)
