"""Links that confirm a new email address. They are signed, and end with the email address or password they are for."""

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer

from checkend.auth.password_reset import VALID_HOURS, account_digest
from checkend.db.session import db
from checkend.models import User


def create_token(user: User, new_address: str) -> str:
    """Return a token that confirms the new email address.

    It is valid for 24 hours, and only until the email address or password of ``user`` changes.
    """
    token = _serializer().dumps([user.id, new_address, account_digest(user)])
    return token.decode() if isinstance(token, bytes) else token


def read_token(token: str) -> tuple[User, str] | None:
    """Return the user and the new email address; None if the token is forged, older than 24 hours, or used."""
    try:
        user_id, new_address, digest = _serializer().loads(token, max_age=VALID_HOURS * 3600)
    except (BadSignature, ValueError, TypeError):
        return None
    user = db.session.get(User, user_id)
    return (user, new_address) if user is not None and digest == account_digest(user) else None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="checkend.email-link")
