"""Links with which someone sets a new password, once: signed, and bound to the password they replace."""

import hashlib

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer

from checkend.extensions import db
from checkend.models import User

VALID_HOURS = 24


def token_for(user: User) -> str:
    """A token that lets whoever has it set a new password for ``user``: for 24 hours, until the password changes."""
    token = _serializer().dumps([user.id, _mark(user)])
    return token.decode() if isinstance(token, bytes) else token


def user_of(token: str) -> User | None:
    """Whose password the token sets; None when it is forged, older than 24 hours, or used."""
    try:
        user_id, mark = _serializer().loads(token, max_age=VALID_HOURS * 3600)
    except (BadSignature, ValueError, TypeError):
        return None
    user = db.session.get(User, user_id)
    return user if user is not None and mark == _mark(user) else None


def _mark(user: User) -> str:
    return hashlib.sha256(user.password_digest.encode()).hexdigest()[:16]


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="checkend.password-link")
