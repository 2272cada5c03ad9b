"""Links in notification mail that stop it without signing in."""

from flask import Flask
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import func, select

from checkend.db.session import db
from checkend.models import App, Channel, User


def _serializer(app: Flask) -> URLSafeSerializer:
    return URLSafeSerializer(app.config["SECRET_KEY"], salt="checkend.unsubscribe")


def unsubscribe_url(app: Flask, channel: Channel, recipient: str) -> str:
    """Return the link that stops mail about the channel's app to ``recipient``; "" for addresses listed in a channel.

    Only users have preferences: an address that a channel lists is removed there.
    """
    if channel.config.get("recipients"):
        return ""
    user_id = db.session.scalar(select(User.id).where(func.lower(User.email_address) == recipient.lower()))
    token = _serializer(app).dumps([user_id, channel.app_id])
    return f"{app.config['URL']}/unsubscribe/{token}"


def read_token(app: Flask, token: str) -> tuple[User, App] | None:
    """Return the user and the app of an unsubscribe link; None if the link is not valid any more."""
    try:
        user_id, app_id = _serializer(app).loads(token)
    except (BadSignature, ValueError, TypeError):
        return None
    user, about = db.session.get(User, user_id), db.session.get(App, app_id)
    return (user, about) if user is not None and about is not None else None
