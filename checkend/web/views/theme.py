"""The theme: light, dark, or that of the operating system. A cookie stores it, as it belongs to the browser."""

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from checkend.auth.sessions import cookie_path
from checkend.web.filters import THEMES
from checkend.web.pages import safe_next
from checkend.web.urls import redirect_path

bp = Blueprint("theme", __name__)
YEAR_SECONDS = 365 * 86400


@bp.post("/theme")
def choose() -> Response:
    """Store the chosen theme (``auto``, ``light`` or ``dark``) and redirect back to the page."""
    theme = request.form.get("theme", "")
    if theme not in THEMES:
        abort(400)
    response = redirect(safe_next(request.form.get("next")) or redirect_path("/"))
    response.set_cookie(
        "theme",
        theme,
        max_age=YEAR_SECONDS,
        path=cookie_path(),
        secure=request.is_secure,
        httponly=False,
        samesite="Lax",
    )
    return response
