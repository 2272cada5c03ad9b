"""Teams, their members and their apps."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from checkend.models.slugs import MAX_NAME_LENGTH
from checkend.models.team import ROLES
from checkend.schemas.app import AppWithKeySchema
from checkend.schemas.base import Resource
from checkend.schemas.fields import DateTimeField, IdOrSlug, TextField
from checkend.schemas.user import UserSchema

IS_ROLE = validate.OneOf(ROLES, error=f"must be one of {', '.join(ROLES)}.")


class TeamSchema(Resource):
    """A team. Setting another owner transfers it."""

    descriptions: ClassVar[dict[str, str]] = {
        "slug": "Made from the name, and never changed.",
        "owner_id": (
            "A numeric id, or text with the id or slug of a user. A new owner becomes a member with the role admin."
        ),
    }

    roots = ("team",)

    id = fields.Integer(dump_only=True)
    slug = fields.String(dump_only=True)
    name = TextField(required=True, limit=MAX_NAME_LENGTH)
    owner_id = IdOrSlug(required=True)
    created_at = DateTimeField()
    updated_at = DateTimeField()


class MemberSchema(Resource):
    """A member of a team. Only the role can be changed."""

    descriptions: ClassVar[dict[str, str]] = {
        "role": (
            "From the highest to the lowest: owner, admin, developer, member (default), viewer. A team always has "
            "an owner or admin."
        ),
        "user": "The user.",
        "user_id": "An id, or text with the id or slug of a user.",
        "email_address": "The address of the user, instead of user_id.",
    }

    roots = ("member", "team_member")

    id = fields.Integer(dump_only=True)
    team_id = fields.Integer(dump_only=True)
    user_id = fields.Integer(dump_only=True)
    role = TextField(validate=IS_ROLE)
    user = fields.Nested(UserSchema, dump_only=True)
    created_at = DateTimeField()
    updated_at = DateTimeField()


class NewMemberSchema(MemberSchema):
    """A new member: a user, by id or email address, and a role."""

    user_id = IdOrSlug()  # type: ignore[assignment]  # can be set here, and only here
    email_address = TextField(load_only=True)

    @validates_schema(skip_on_field_errors=True)
    def _require_user(self, data: dict[str, Any], **_: Any) -> None:
        if "user_id" not in data and "email_address" not in data:
            raise ValidationError("or email address can't be blank.", "user_id")


class AssignmentSchema(Resource):
    """The app to assign to a team: its id or slug as ``app_id``, or an app as the API shows it."""

    descriptions: ClassVar[dict[str, str]] = {
        "app_id": "The id or slug of the app. A body that contains an app with its id or slug is accepted too.",
        "id": "Instead of app_id.",
        "slug": "Instead of app_id.",
    }

    roots = ("app", "team_app")
    ignored = frozenset(AppWithKeySchema().fields) - {"id", "slug"}

    app_id = IdOrSlug()
    id = IdOrSlug()
    slug = IdOrSlug()

    @validates_schema(skip_on_field_errors=True)
    def _require_app(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("can't be blank.", "app_id")


class MessageSchema(Schema):
    """A message that states what was done."""

    descriptions: ClassVar[dict[str, str]] = {
        "message": "What was done.",
    }

    message = fields.String()
