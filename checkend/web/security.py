"""What protects the pages: CSRF tokens on every form, and the headers of every answer that is not for programs."""

from flask import Flask, current_app, flash, redirect, request, session
from flask_login import current_user as session_user
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response

from checkend.auth.sessions import is_api_path, is_https, page_of_form, redirect_to_sign_in
from checkend.exceptions import ApiError
from checkend.web.pages import require_sign_in

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",  # Bootstrap's style sheet draws its marks as data:
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # the CSRF check over HTTPS reads it
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
HSTS = "max-age=31536000"  # a year; other hosts of the domain are not this server's to decide for
STATIC = ("static", "bootstrap.static")
EXPIRED_FORM_MESSAGE = "The form has expired (CSRF). Go back, reload the page and send it again."
OUTDATED = (
    "Nothing was changed: the form was from before you last signed in. "
    "This page is up to date, so please enter your changes again."
)
WITH_AND_WITHOUT_SIGN_IN = ("sign_in.sign_out", "theme.choose")  # stand on pages for both

csrf = CSRFProtect()


def register(app: Flask) -> None:
    """Refuse forms that are too large or carry no CSRF token, and send `HEADERS` with every page of ``app``."""
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,  # checked below, for pages alone
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as the session it belongs to
    )
    csrf.init_app(app)
    app.before_request(_check_token)
    app.after_request(_add_headers)


def _check_token() -> Response | None:
    if is_api_path(request.path) or request.endpoint is None:
        return None
    request.max_content_length = current_app.config["MAX_BODY_BYTES"]
    try:
        csrf.protect()
    except CSRFError as error:
        if _session_has_ended():
            return redirect_to_sign_in()
        if session_user.is_authenticated and (page := page_of_form()):
            flash(OUTDATED, "warning")
            return redirect(page, 303)
        raise ApiError(400, f"{EXPIRED_FORM_MESSAGE} {error.description}") from error
    return None


def _session_has_ended() -> bool:
    """Whether the form comes from a page that one sees signed in, and the browser is not: its token went with that."""
    hooks = current_app.before_request_funcs.get(request.blueprint, ())
    signed_in_page = require_sign_in in hooks or request.endpoint in WITH_AND_WITHOUT_SIGN_IN
    return signed_in_page and not session_user.is_authenticated


def _add_headers(response: Response) -> Response:
    if is_api_path(request.path):
        return response
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if is_https():
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request.endpoint in STATIC:
        if "v" in request.args:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    elif "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store" if "_user_id" in session else "no-cache"
    return response
