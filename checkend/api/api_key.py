"""The API key of the request itself: /api/v1/api_key."""

from flask import Blueprint, g

from checkend.api.decorators import response
from checkend.auth.api_keys import authenticate
from checkend.db.session import db
from checkend.models import ApiKey
from checkend.schemas.api_key import ApiKeySchema

bp = Blueprint("api_key", __name__)
bp.before_request(authenticate)


@bp.get("/api_key")
@response(ApiKeySchema())
def show() -> ApiKey:
    """Show the API key that the request is sent with, without its value."""
    return db.session.get_one(ApiKey, g.api_key.key_id)
