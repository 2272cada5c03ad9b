"""Links with which someone sets a new password, once: signed, and bound to the password and address they are for."""

import hashlib

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer

from checkend.db.session import db
from checkend.models import User, audit_log

VALID_HOURS = 24


def create_token(user: User) -> str:
    """A token that lets whoever has it set a new password for ``user``: for 24 hours, until the password changes.

    A change of the email address ends it as well: it may have been mailed to someone who no longer has the account.
    """
    audit_log.record("password_link.created", user.label, now=True)
    token = _serializer().dumps([user.id, account_digest(user)])
    return token.decode() if isinstance(token, bytes) else token


def user_for_token(token: str) -> User | None:
    """Whose password the token sets; None when it is forged, older than 24 hours, or used."""
    try:
        user_id, stamp = _serializer().loads(token, max_age=VALID_HOURS * 3600)
    except (BadSignature, ValueError, TypeError):
        return None
    user = db.session.get(User, user_id)
    return user if user is not None and stamp == account_digest(user) else None


def account_digest(user: User) -> str:
    """Return a digest that changes with the password or the email address of ``user``."""
    return hashlib.sha256(f"{user.password_digest}\0{user.email_address}".encode()).hexdigest()[:16]


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="checkend.password-link")
