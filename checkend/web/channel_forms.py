"""The forms of channels: the fields that all kinds have, and those of one kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any

from marshmallow import ValidationError as SchemaError
from wtforms import Field, IntegerField, PasswordField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import InputRequired, NumberRange, ValidationError

from checkend.exceptions import DomainError
from checkend.models import Channel
from checkend.models.channel import DEFAULT_EVENTS
from checkend.models.level import LEVELS
from checkend.schemas.channel import EVENTS, MAX_INTERVAL_SECONDS, SPIKE_MINUTES, SPIKE_OCCURRENCES, ChannelSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.presenters.channel_kinds import Kind, Setting

INTERVALS = {0: "No limit", 60: "1 minute", 300: "5 minutes", 900: "15 minutes", 3600: "1 hour", 86_400: "1 day"}
KEEP_SECRET = "Leave empty to keep the current one, which is not shown."


class LinesField(TextAreaField):  # type: ignore[misc]  # WTForms ships no types
    """A list of texts, one per line, without blank lines."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Set the data to the lines that are not blank, trimmed."""
        self.data = [line.strip() for text in valuelist for line in text.splitlines() if line.strip()]

    def _value(self) -> str:
        return "\n".join(self.data or [])


def _number(label: str, limits: tuple[int, int]) -> IntegerField:
    least, most = limits
    message = f"Enter a whole number from {least:,} to {most:,}."
    return IntegerField(label, [InputRequired(message), NumberRange(least, most, message)])


class ChannelForm(Form):
    """A channel of ``kind``; `form_for` adds the fields of its settings."""

    kind: Kind

    name = StringField("Name", [SchemaValidator(ChannelSchema, "name")])
    events = SelectMultipleField("Events", choices=list(EVENTS))
    environments = LinesField("Environments")
    min_level = SelectField("Minimum level", choices=list(LEVELS))
    min_interval_seconds = IntegerField("Minimum interval", [NumberRange(0, MAX_INTERVAL_SECONDS)])
    spike_occurrences = _number("Occurrences, at least", SPIKE_OCCURRENCES)
    spike_minutes = _number("Within minutes", SPIKE_MINUTES)

    def validate_events(self, field: Field) -> None:
        if not field.data:
            raise ValidationError("Select at least one event.")

    def validate_environments(self, field: Field) -> None:
        try:
            field.data = ChannelSchema().fields["environments"].deserialize(field.data or [])
        except SchemaError as error:
            # A list for the field as a whole, or lists by the position of the line.
            messages = chain(*error.messages.values()) if isinstance(error.messages, dict) else error.messages
            raise ValidationError(" ".join(f"Environments {message}" for message in messages)) from None

    @property
    def intervals(self) -> dict[int, str]:
        """The intervals to choose from by their seconds, and the current one, which may come from the API."""
        seconds = self.min_interval_seconds.data or 0
        return INTERVALS if seconds in INTERVALS else INTERVALS | {seconds: f"{seconds:,} seconds"}

    def values(self) -> dict[str, Any]:
        """Return the values as a loaded `ChannelSchema`, without settings that were left empty."""
        names = (
            *("name", "events", "environments", "min_level", "min_interval_seconds"),
            *("spike_occurrences", "spike_minutes"),
        )
        config = {name: value for setting in self.kind.settings if (value := self[name := setting.name].data)}
        return {name: self[name].data for name in names} | {"config": config}

    @contextmanager
    def catch_domain_errors(self) -> Iterator[None]:
        """Leave the block on a `DomainError`; messages that begin with the name of a setting go to its field."""
        try:
            yield
        except DomainError as error:
            for message in error.messages:
                fields = [self[setting.name] for setting in self.kind.settings]
                field = next((field for field in fields if message.startswith(f"'{field.name}' ")), None)
                if field is None:
                    self.form_errors.append(message)
                else:
                    field.errors = [*field.errors, message.replace(f"'{field.name}'", field.label.text, 1)]


@cache
def form_for(kind: Kind, *, is_new: bool) -> type[ChannelForm]:
    """Return the form of a kind. Secrets are password inputs, which never show what is stored."""
    fields: dict[str, Any] = {setting.name: _field(kind, setting, is_new) for setting in kind.settings}
    return type(f"{kind.name.title()}ChannelForm", (ChannelForm,), {"kind": kind} | fields)


def _field(kind: Kind, setting: Setting, is_new: bool) -> Field:
    is_secret, attributes = kind.is_secret(setting), {"placeholder": setting.placeholder, "spellcheck": "false"}
    required = setting.required and (is_new or not is_secret)
    if setting.is_list:
        return LinesField(setting.label, description=setting.help, render_kw={"rows": 3})
    if is_secret:
        attributes["autocomplete"] = "new-password"  # browsers ignore "off", and would fill in the user's own
    help_text = setting.help if is_new or not is_secret else KEEP_SECRET
    return (PasswordField if is_secret else StringField)(
        setting.label,
        description=help_text,
        filters=[lambda text: text and text.strip()],
        render_kw=attributes | ({"required": True} if required else {}),
    )


def new_form(kind: Kind) -> ChannelForm:
    """Return the form for a new channel."""
    defaults = {"min_level": LEVELS[0], "min_interval_seconds": 0, "spike_occurrences": 100, "spike_minutes": 5}
    return form_for(kind, is_new=True)(name=kind.label, events=list(DEFAULT_EVENTS), **defaults)


def edit_form(kind: Kind, channel: Channel) -> ChannelForm:
    """Return the form for an existing channel, with its settings except for the secret ones."""
    return form_for(kind, is_new=False)(obj=channel, data=channel.config)
