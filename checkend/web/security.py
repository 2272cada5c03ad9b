"""What protects the pages: CSRF tokens on every form, and the headers of every answer that is not for programs."""

from flask import Flask, Response, current_app, request, session
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError

from checkend.auth.sessions import for_programs, is_https
from checkend.errors import ApiError

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
STALE = "The form was not accepted (CSRF). Go back, reload the page, and send it again."

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


def _check_token() -> None:
    if not for_programs(request.path) and request.endpoint is not None:
        request.max_content_length = current_app.config["MAX_BODY_BYTES"]
        try:
            csrf.protect()
        except CSRFError as error:
            raise ApiError(400, f"{STALE} {error.description}") from error


def _add_headers(response: Response) -> Response:
    if for_programs(request.path):
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
