"""What the dashboard's blueprints share: sign-in before anything else, and a writing transaction for what changes."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, request
from flask_login import current_user as session_user
from werkzeug.wrappers import Response

from checkend.auth.decorators import SAFE_METHODS
from checkend.auth.roles import Capability, require
from checkend.auth.sessions import current_user, redirect_to_sign_in
from checkend.db.session import db
from checkend.db.transactions import begin_writing, commit
from checkend.exceptions import DomainError
from checkend.web.urls import redirect_path

Page = str | tuple[str, int]


def signed_in_blueprint(
    name: str, url_prefix: str | None = None, *, ability: Capability | None = None, writing: bool = True
) -> Blueprint:
    """A blueprint whose views only those see who are signed in; others are sent to sign in, and back.

    Views of methods that change something find the session in a writing transaction (`begin_writing`), unless
    ``writing`` is false. With ``ability``, an `Capability` on the server, only those who have it get that far.
    """
    blueprint = Blueprint(name, f"checkend.web.views.{name}", url_prefix=url_prefix)
    blueprint.before_request(require_sign_in)
    if ability is not None:
        blueprint.before_request(lambda: require(current_user(), ability))
    if writing:
        blueprint.before_request(_write_where_unsafe)
    return blueprint


def require_sign_in() -> Response | None:
    """Redirect to the sign-in page those who are not signed in."""
    return None if session_user.is_authenticated else redirect_to_sign_in()


def _write_where_unsafe() -> None:
    if request.method not in SAFE_METHODS:
        begin_writing()


def run_and_redirect(action: Callable[[], object], done: str, back: str) -> Response:
    """What a button does: ``action``, committed, and ``done`` said on the page ``back``.

    Where a model's rule forbids it nothing is changed, and the rule's sentences are said there instead.
    """
    try:
        action()
    except DomainError as broken:
        db.session.rollback()
        flash(str(broken), "error")
    else:
        commit()
        flash(done)
    return redirect(back)


def page_number() -> int:
    """The page asked for with ``?page=``, from 1; what cannot be read is the first."""
    text = request.args.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def safe_next(address: str | None) -> str | None:
    """Return ``address`` for a Location header if it is a path of the application; else None."""
    if not address or not address.startswith("/") or address[1:2] in ("/", "\\"):
        return None
    return None if any(character < "!" or character == "\\" for character in address) else redirect_path(address)
