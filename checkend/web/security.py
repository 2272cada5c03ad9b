"""Protection of the pages: CSRF tokens on every form, and security headers on every response except the APIs'."""

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
        "img-src 'self' data:",  # Bootstrap's style sheet contains data: images
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
HSTS = "max-age=31536000"  # one year; without includeSubDomains: other hosts may not support HTTPS
STATIC = ("static", "bootstrap.static", "api_reference.swagger_ui_file")
EXPIRED_FORM_MESSAGE = "The form has expired (CSRF). Go back, reload the page and submit the form again."
OUTDATED_FORM_MESSAGE = (
    "Nothing was changed because the form was loaded before you last signed in. "
    "This page is up to date; please enter your changes again."
)
SIGNED_IN_OR_NOT = ("sign_in.sign_out", "theme.choose")  # on the pages of signed-in users and on others
# Authorized by the token in the URL alone: a program that is not a browser sends it, without a cookie.
WITHOUT_COOKIE = ("unsubscribe.show",)

csrf = CSRFProtect()


def register(app: Flask) -> None:
    """Reject forms that are too large or lack a CSRF token, and send `HEADERS` with every page of ``app``."""
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,  # checked below, for pages only
        WTF_CSRF_TIME_LIMIT=None,  # tokens are valid as long as their session
    )
    csrf.init_app(app)
    app.before_request(_check_token)
    app.after_request(_add_headers)


def _check_token() -> Response | None:
    if is_api_path(request.path) or request.endpoint is None:
        return None
    request.max_content_length = current_app.config["MAX_BODY_BYTES"]
    if request.endpoint in WITHOUT_COOKIE:
        return None
    try:
        csrf.protect()
    except CSRFError as error:
        signed_in = session_user.is_authenticated
        hooks = current_app.before_request_funcs.get(request.blueprint, ())
        # The form is from a page for signed-in users and the user is not: the token ended with the session.
        if not signed_in and (require_sign_in in hooks or request.endpoint in SIGNED_IN_OR_NOT):
            return redirect_to_sign_in()
        if signed_in and (page := page_of_form()):
            flash(OUTDATED_FORM_MESSAGE, "warning")
            return redirect(page, 303)
        raise ApiError(400, f"{EXPIRED_FORM_MESSAGE} {error.description}") from error
    return None


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
