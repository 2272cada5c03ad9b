"""Invitations to a team."""

from typing import ClassVar

from marshmallow import fields

from checkend.schemas.base import Resource
from checkend.schemas.fields import DateTimeField, EmailAddressField, TextField
from checkend.schemas.team import IS_ROLE


class InvitationSchema(Resource):
    """An open invitation. ``invited_by`` is the email address of the user, or the name of the API key, that sent it.

    ``mail_status`` is that of its latest mail, and null if the server could not send any.
    """

    roots = ("invitation",)
    descriptions: ClassVar[dict[str, str]] = {
        "email_address": "Who is invited.",
        "role": "owner, admin, developer, member or viewer; member by default.",
        "invited_by": "The email address of the user, or the name of the API key, that sent it.",
        "mail_status": "pending, sent, failed or gave_up; null if no mail was sent.",
        "mail_error": "Why the last attempt to send the mail failed.",
        "expires_at": "Seven days after it was created.",
    }

    id = fields.Integer(dump_only=True)
    team_id = fields.Integer(dump_only=True)
    email_address = EmailAddressField(required=True)
    role = TextField(validate=IS_ROLE)
    invited_by = fields.String(dump_only=True, allow_none=True)
    mail_status = fields.String(dump_only=True, allow_none=True)
    mail_error = fields.String(dump_only=True, allow_none=True)
    created_at = DateTimeField()
    expires_at = DateTimeField()


class InvitationWithUrlSchema(InvitationSchema):
    """A new invitation, with the link to send to the person who is invited."""

    descriptions: ClassVar[dict[str, str]] = {"url": "The link, only in the response that creates it."}

    url = fields.String(dump_only=True)
