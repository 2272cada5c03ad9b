"""Users: /api/v1/users."""

from datetime import timedelta
from typing import Any

from flask import Blueprint

from checkend import clock
from checkend.api.conventions import check_precondition
from checkend.api.decorators import body, response
from checkend.api.lookups import with_user
from checkend.auth import password_reset
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.config.urls import full_url
from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError
from checkend.models import User
from checkend.models.user import NewPassword, normalize_email_address
from checkend.schemas.user import PasswordLinkSchema, UserSchema

bp = Blueprint("users", __name__)
bp.before_request(authenticate)


@bp.get("/users")
@requires("users:read")
@response(UserSchema(many=True))
def index() -> list[User]:
    """List all users, newest first."""
    return User.newest_first()


@bp.post("/users")
@requires("users:write")
@body(UserSchema())
@response(UserSchema(), 201, located=True)
def create(data: dict[str, Any]) -> User:
    """Create a user. Site admins are created in the dashboard or on the command line."""
    password = NewPassword(data["password"])  # slow: before the first statement takes the write lock
    return User.create(data["email_address"], password)


@bp.get("/users/<user_id>")
@requires("users:read")
@with_user
@response(UserSchema())
def show(user: User) -> User:
    """Show a user."""
    return user


@bp.route("/users/<user_id>", methods=["PATCH", "PUT"])
@requires("users:write", writing=False)
@with_user
@body(UserSchema(), partial=True)
@response(UserSchema())
def update(user: User, data: dict[str, Any]) -> User:
    """Change the email address or password of a user who is not a site admin. The slug stays the same."""
    _reject_site_admin(user, data)
    password = NewPassword(data["password"]) if "password" in data else None
    if password is not None:
        user.reject_recent(password)  # slow: before the write lock is taken
    with write_transaction():
        check_precondition(UserSchema(), user)
        _reject_site_admin(user, data)  # again, as the only writer: the user may have become one since
        if "email_address" in data:
            user.set_email_address(data["email_address"])
        if password is not None:
            user.set_password(password, reject_recent=True)
    return user


@bp.delete("/users/<user_id>")
@requires("users:write")
@with_user
@response(status=204)
def delete(user: User) -> None:
    """Delete a user. The last site admin, and a user who owns teams, are rejected."""
    user.delete()


@bp.post("/users/<user_id>/password_link")
@requires("users:write", writing=False)  # the link is signed, not stored
@with_user
@response(PasswordLinkSchema(), 201)
def password_link(user: User) -> dict[str, Any]:
    """Create a link with which a user who is not a site admin chooses a new password. Only this response contains it.

    It works for 24 hours, until the password or the email address changes.
    """
    _reject_site_admin(user, {"password": ""})
    expires_at = clock.now() + timedelta(hours=password_reset.VALID_HOURS)
    return {"url": full_url("passwords.renew", token=password_reset.create_token(user)), "expires_at": expires_at}


def _reject_site_admin(user: User, data: dict[str, Any]) -> None:
    """Raise `ApiError` 403 if ``data`` would let a key sign in as a site admin, who may do more than any key."""
    new_address = normalize_email_address(data.get("email_address", user.email_address))
    if user.site_admin and ("password" in data or new_address != user.email_address):
        raise ApiError(
            403,
            "API keys cannot change the email address or password of a site admin. Use the dashboard or "
            "`checkend user set-password`.",
        )
