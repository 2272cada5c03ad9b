"""The terms of a mute."""

from typing import Any, ClassVar

from marshmallow import ValidationError as SchemaError
from marshmallow import validates_schema

from checkend.models.mute import MAX_MUTE_MINUTES, MAX_MUTE_OCCURRENCES, MAX_MUTE_REASON, MuteTerms
from checkend.schemas.base import Resource
from checkend.schemas.fields import BooleanField, DateBound, TextField, whole_number
from checkend.schemas.problem import ProblemIdsSchema


class MuteTermsSchema(Resource):
    """When a mute ends: at the first of the terms that is met, or without any only when the problem is unmuted."""

    descriptions: ClassVar[dict[str, str]] = {
        "until": "A date or a time at which the mute ends.",
        "occurrences": "The mute ends after this many further occurrences.",
        "within_minutes": "Together with occurrences: only if they occur within this many minutes.",
        "until_release": "true: the mute ends when a release that is new to the app reports the problem.",
        "reason": "Why the problem is muted.",
        "problem_ids": "Ids that do not belong to a problem of the app are ignored.",
    }

    raw_names = True

    until = DateBound()
    occurrences = whole_number(1, MAX_MUTE_OCCURRENCES)
    within_minutes = whole_number(1, MAX_MUTE_MINUTES)
    until_release = BooleanField()
    reason = TextField(limit=MAX_MUTE_REASON, allow_none=True)

    @validates_schema(skip_on_field_errors=True)
    def _needs_occurrences(self, data: dict[str, Any], **_: Any) -> None:
        if "within_minutes" in data and "occurrences" not in data:
            raise SchemaError("needs occurrences.", "within_minutes")


class BulkMuteSchema(ProblemIdsSchema, MuteTermsSchema):
    """The problems to mute, and the terms."""


def mute_terms(data: dict[str, Any]) -> MuteTerms:
    """Return the terms in ``data``, a loaded `MuteTermsSchema`."""
    return MuteTerms(**data | {"reason": data.get("reason") or ""})
