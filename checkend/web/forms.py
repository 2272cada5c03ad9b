"""Base class and validators of the dashboard's forms.

Forms define labels; the API's schemas check the shape of values, and models check what is allowed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask_wtf import FlaskForm
from marshmallow import ValidationError as SchemaError
from wtforms import Field
from wtforms.validators import ValidationError

from checkend.exceptions import DomainError
from checkend.schemas.base import Resource


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Base class of the forms. `checkend.web.security` checks the CSRF token of all pages, so forms do not."""

    class Meta:
        csrf = False

    @contextmanager
    def catch_domain_errors(self) -> Iterator[None]:
        """Leave the block on a `DomainError`, whose messages are then shown above the form."""
        try:
            yield
        except DomainError as error:
            self.form_errors.extend(error.messages)

    @property
    def status(self) -> int:
        """The HTTP status of a page with this form: 422 if it has errors, else 200."""
        return 422 if self.errors else 200


class SchemaValidator:
    """Validate and convert a value like the field ``name`` of ``schema``."""

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
        except SchemaError as error:
            raise ValidationError(" ".join(f"{field.label.text} {message}" for message in error.messages)) from None
