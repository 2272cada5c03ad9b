"""Light or dark: as the system has it, or as chosen; kept in a cookie, since it belongs to the browser."""

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from checkend.auth.sessions import cookie_path
from checkend.web.filters import THEMES
from checkend.web.pages import safe_next
from checkend.web.urls import redirect_path

bp = Blueprint("theme", __name__)
A_YEAR = 365 * 86400


@bp.post("/theme")
def choose() -> Response:
    """Keep the theme chosen (``auto``, ``light``, ``dark``) and go back to the page."""
    theme = request.form.get("theme", "")
    if theme not in THEMES:
        abort(400)
    response = redirect(safe_next(request.form.get("next")) or redirect_path("/"))
    response.set_cookie(
        "theme",
        theme,
        max_age=A_YEAR,
        path=cookie_path(),
        secure=request.is_secure,
        httponly=False,
        samesite="Lax",
    )
    return response
