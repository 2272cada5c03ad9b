"""``GET /metrics`` for Prometheus and ``GET /up`` for load balancers."""

import hmac
import ipaddress
import logging
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from sqlalchemy import text

from checkend import clock
from checkend.db.errors import DATABASE_ERRORS, driver_error
from checkend.db.session import db
from checkend.telemetry.diagnosis.echo import HEADER, describe

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FORBIDDEN_MESSAGE = (
    "Metrics are available from this machine itself, or with the token of CHECKEND_METRICS_TOKEN as a bearer token.\n"
)
# Any of these shows that a proxy on this machine passes on a request of someone else.
PROXY_HEADERS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_VIA",
)

bp = Blueprint("monitoring", __name__)
log = logging.getLogger("checkend.monitoring")


def register(app: Flask) -> None:
    """Register /metrics and /up on ``app``."""
    app.config["STARTED_AT"] = clock.now()
    app.register_blueprint(bp)


@bp.get("/up")
def up() -> Response:
    """Return 200 while the database can be read, else 503; to `checkend doctor`, also what arrived of the request."""
    try:
        db.session.execute(text("SELECT 1 FROM alembic_version"))
    except DATABASE_ERRORS as error:
        log.error("/up: the database cannot be read: %s", driver_error(error))
        return Response("The database cannot be read.\n", 503, {"Retry-After": "5"}, "text/plain")
    if HEADER in request.headers and (arrived := describe(request, current_app.config["SECRET_KEY"])):
        return jsonify(arrived)
    return Response("up\n", mimetype="text/plain")


@bp.get("/metrics")
def metrics() -> Response:
    """Return all metrics to clients on this machine or with the token; respond 403 to others."""
    if not (_is_local(request.environ) or _has_token()):
        return Response(FORBIDDEN_MESSAGE, 403, mimetype="text/plain")
    from checkend.telemetry.exposition import CONTENT_TYPE, render

    return Response(render(), content_type=CONTENT_TYPE)


def _has_token() -> bool:
    token: str = current_app.config["METRICS_TOKEN"]
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    is_equal = hmac.compare_digest(credentials.strip().encode(), token.encode())
    return bool(token) and scheme.lower() == "bearer" and is_equal


def _is_local(environ: "WSGIEnvironment") -> bool:
    """Return whether the request comes from this machine itself, not through a proxy on it."""
    original = environ.get("werkzeug.proxy_fix.orig", environ)  # REMOTE_ADDR as it was before ProxyFix
    if any(name in environ for name in PROXY_HEADERS):
        return False
    try:
        peer = ipaddress.ip_address(original.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    return bool((getattr(peer, "ipv4_mapped", None) or peer).is_loopback)
