"""Links for setting a new password. They are signed, and end with the email address or password they are for."""

import hashlib

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer

from checkend.db.session import db
from checkend.models import User, audit_log

VALID_HOURS = 24


def create_token(user: User) -> str:
    """Return a token with which anyone can set a new password for ``user``.

    It is valid for 24 hours, and only until the password or email address changes. The latter, because the link may
    have been mailed to the old address, whose owner must not regain access.
    """
    audit_log.record("password_link.created", user.label, now=True)
    token = _serializer().dumps([user.id, account_digest(user)])
    return token.decode() if isinstance(token, bytes) else token


def user_for_token(token: str) -> User | None:
    """Return the user whose password ``token`` sets; None if it is forged, older than 24 hours, or used."""
    try:
        user_id, digest = _serializer().loads(token, max_age=VALID_HOURS * 3600)
    except (BadSignature, ValueError, TypeError):
        return None
    user = db.session.get(User, user_id)
    return user if user is not None and digest == account_digest(user) else None


def account_digest(user: User) -> str:
    """Return a digest that changes with the password or the email address of ``user``."""
    return hashlib.sha256(f"{user.password_digest}\0{user.email_address}".encode()).hexdigest()[:16]


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="checkend.password-link")
