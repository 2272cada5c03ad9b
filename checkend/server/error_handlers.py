"""One table of error handlers, and one function that chooses the format of the response: `error_response`."""

import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from flask.globals import request_ctx
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, NotSupportedError, ProgrammingError, TimeoutError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from checkend.db.errors import DriverDatabaseError, driver_error, is_interrupted
from checkend.db.read_deadline import READ_SECONDS
from checkend.db.session import db
from checkend.exceptions import ApiError, DomainError

log = logging.getLogger("checkend.errors")

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "precondition_failed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "validation_failed",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}
MESSAGES = {
    404: "The requested page or record does not exist.",
    413: "The request body is too large.",
    500: "An internal error occurred. It has been logged.",
    503: "The database is temporarily unavailable. Try again in a few seconds.",
}
SEARCH_TIMEOUT_MESSAGE = (
    f"The search took longer than {READ_SECONDS:g} seconds and was stopped. Search for fewer or other words, or narrow "
    "it by app, status or date."
)
CONFLICT_MESSAGE = "Another request used this name or changed this record at the same time. Try again."
RETRY_AFTER_SECONDS = 5


def register(app: Flask) -> None:
    """Register the error handlers on ``app``."""
    for exception, handler in HANDLERS.items():
        app.register_error_handler(exception, handler)


def error_response(status: int, message: str, messages: list[str] | None = None) -> Response:
    """Roll back, log the error and return the response in the format that clients of the path expect.

    Below /api/ that is ``{"error", "message"}``, and ``messages`` for a 422; below /ingest/ ``{"error"}``; elsewhere a
    page. The path decides, not the blueprint, because a URL without a route has none.
    """
    db.session.rollback()
    path = f"/{request.path.lstrip('/')}"
    # The messages of a 422 quote names of fields and parameters, which may be anything: they stay out of the log.
    errors = len(messages or [message])
    reason = f"{errors} validation error{'s' if errors != 1 else ''}" if status == 422 else message
    log.info("rejected %s %s: %d %s", request.method, path, status, reason)
    if f"{path}/".startswith("/api/"):
        status = status if status in CODES else 400
        body: dict[str, Any] = {"error": CODES[status], "message": message}
        response = jsonify(body | ({"messages": messages or [message]} if status == 422 else {}))
    elif f"{path}/".startswith("/ingest/"):
        response = jsonify(error=message)
    elif request_ctx.url_adapter is None:  # The Host header is malformed, so a page cannot build its links.
        return Response(f"{message}\n", status, mimetype="text/plain")
    else:
        return Response(render_template("error.html", status=status, message=message), status, mimetype="text/html")
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _api_error(error: ApiError) -> Response:
    response = error_response(error.status, error.message or MESSAGES.get(error.status, ""), error.messages)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _domain_error(error: DomainError) -> Response:
    return error_response(422, str(error), error.messages)


def _conflict(error: IntegrityError | ObjectDeletedError | StaleDataError) -> Response:
    log.warning("%s %s lost a race: %s", request.method, request.path, driver_error(error))
    return error_response(409, CONFLICT_MESSAGE)


def _database_unavailable(error: DriverDatabaseError | DatabaseError | TimeoutError) -> Response:
    cause = driver_error(error)
    if is_interrupted(cause):
        log.warning("%s %s: a query was stopped after %g s", request.method, request.path, READ_SECONDS)
        return error_response(503, SEARCH_TIMEOUT_MESSAGE)
    log.error("%s %s: the database cannot be used: %s", request.method, request.path, cause)
    return error_response(503, MESSAGES[503])


def _http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()  # type: ignore[return-value]  # a redirect, or a complete response
    response = error_response(status, MESSAGES.get(status) or error.description or error.name)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _internal_error(error: Exception) -> Response:
    log.exception("%s %s failed", request.method, request.path)
    return error_response(500, MESSAGES[500])


# Flask picks the handler of the closest parent class, so the order is for readers.
HANDLERS: dict[type[Exception], Callable[[Any], Response]] = {
    ApiError: _api_error,
    DomainError: _domain_error,
    HTTPException: _http_exception,
    IntegrityError: _conflict,
    ObjectDeletedError: _conflict,
    StaleDataError: _conflict,
    DatabaseError: _database_unavailable,
    DriverDatabaseError: _database_unavailable,  # SQLAlchemy does not wrap errors of BEGIN and of pragmas.
    TimeoutError: _database_unavailable,
    DataError: _internal_error,  # These three are subclasses of DatabaseError, but mean a bug.
    NotSupportedError: _internal_error,
    ProgrammingError: _internal_error,
    Exception: _internal_error,
}
