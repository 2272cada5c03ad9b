"""Shared by the dashboard's views: required sign-in, actions behind a button, page numbers and safe redirects."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, request
from flask_login import current_user as session_user
from werkzeug.wrappers import Response

from checkend.auth.roles import Capability, require
from checkend.auth.sessions import current_user, redirect_to_sign_in
from checkend.db.transactions import write_transaction
from checkend.exceptions import DomainError
from checkend.web.urls import redirect_path

Page = str | tuple[str, int]


def signed_in_blueprint(name: str, url_prefix: str | None = None, *, capability: Capability | None = None) -> Blueprint:
    """Return a blueprint for signed-in users; others are redirected to the sign-in page, which leads back.

    With ``capability``, one on the server, users without it get a 403.
    """
    blueprint = Blueprint(name, f"checkend.web.views.{name}", url_prefix=url_prefix)
    blueprint.before_request(require_sign_in)
    if capability is not None:
        blueprint.before_request(lambda: require(current_user(), capability))
    return blueprint


def require_sign_in() -> Response | None:
    """Redirect to the sign-in page unless the user is signed in."""
    return None if session_user.is_authenticated else redirect_to_sign_in()


def run_and_redirect(action: Callable[[], object], message: str, target: str) -> Response:
    """Run ``action`` in a write transaction and redirect to ``target``, where ``message`` is shown.

    If a model rejects the action, nothing is changed and the error message is shown instead.
    """
    try:
        with write_transaction():
            action()
    except DomainError as error:
        flash(str(error), "error")
    else:
        flash(message)
    return redirect(target)


def page_number() -> int:
    """Return the query parameter ``page``, counted from 1; invalid values count as 1."""
    text = request.args.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def safe_next(path: str | None) -> str | None:
    """Return ``path`` for a Location header if it is a path of this application; else None."""
    if not path or not path.startswith("/") or path[1:2] in ("/", "\\"):
        return None
    return None if any(character < "!" or character == "\\" for character in path) else redirect_path(path)
