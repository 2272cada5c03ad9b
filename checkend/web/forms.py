"""What the forms share. Forms know labels; the API's schemas say what shape a value has, the models what is allowed."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask_wtf import FlaskForm
from marshmallow import ValidationError as ShapeError
from wtforms import Field
from wtforms.validators import ValidationError

from checkend.db.session import db
from checkend.exceptions import DomainError
from checkend.schemas.base import Resource

Result = TypeVar("Result")


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A form of the dashboard. Its CSRF token is checked for all pages at once, in `checkend.web.security`."""

    class Meta:
        csrf = False

    def attempt(self, action: Callable[[], Result]) -> Result | None:
        """What ``action`` returns; None where a model's rule forbids it: its sentences stand on the form then."""
        try:
            return action()
        except DomainError as broken:
            db.session.rollback()
            self.form_errors.extend(broken.messages)
            return None

    def carries_out(self, action: Callable[[], None]) -> bool:
        """Whether ``action`` could be done; as `attempt` for what returns nothing."""

        def done() -> bool:
            action()
            return True

        return self.attempt(done) is not None

    @property
    def status(self) -> int:
        """The status to show the form with: 422 with faults on it."""
        return 422 if self.errors else 200


class SchemaValidator:
    """A validator: the value has the shape of the field ``name`` of ``schema``, and becomes what that makes of it."""

    def __init__(self, schema: type[Resource], name: str) -> None:
        self._field: Any = schema().fields[name]
        self.field_flags = {"required": True} if self._field.required else {}
        if limit := getattr(self._field, "limit", None):
            self.field_flags["maxlength"] = limit
        if least := getattr(self._field, "least", None):
            self.field_flags["minlength"] = least

    def __call__(self, form: Form, field: Field) -> None:
        try:
            field.data = self._field.deserialize(field.data if field.data is not None else "")
        except ShapeError as error:
            raise ValidationError(" ".join(f"{field.label.text} {message}" for message in error.messages)) from None
