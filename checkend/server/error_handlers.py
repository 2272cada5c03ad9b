"""The one error envelope, and the answers to everything that goes wrong: JSON under /api and /ingest, else pages."""

import logging
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
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "validation_failed",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}
MESSAGES = {
    404: "There is nothing at this address.",
    413: "The request body is too large.",
    500: "Something went wrong on the server; it has been logged.",
    503: "The database cannot be reached or written at the moment. Try again shortly.",
}
SEARCH_TIMEOUT_MESSAGE = (
    f"The search took longer than {READ_SECONDS:g} seconds and was stopped. Search for fewer or other words, or narrow "
    "it by app, status or date."
)
RETRY_AFTER_SECONDS = 5


def error_envelope(status: int, message: str, messages: list[str] | None = None) -> Response:
    """The error answer of the API: ``{"error", "message"}``, and ``messages`` for a 422."""
    body: dict[str, Any] = {"error": CODES[status], "message": message}
    if status == 422:
        body["messages"] = messages if messages is not None else [message]
    response = jsonify(body)
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _count_errors(messages: list[str] | None) -> str:
    number = len(messages or [""])
    return f"{number} fault{'s' if number != 1 else ''}"


def _error_response(status: int, message: str, messages: list[str] | None = None) -> Response:
    db.session.rollback()
    path = "/" + request.path.lstrip("/")
    # The sentences of a 422 name what was sent: fields, and whatever a client took for one.
    reason = _count_errors(messages) if status == 422 else message
    log.info("refused %s %s: %d %s", request.method, path, status, reason)
    if f"{path}/".startswith("/ingest/"):
        response = jsonify(error=message)
        if status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif f"{path}/".startswith("/api/"):
        return error_envelope(status if status in CODES else 400, message, messages)
    elif request_ctx.url_adapter is None:  # the Host header is malformed: no page, and no link, can be built
        response = Response(f"{message}\n", mimetype="text/plain")
    else:
        response = Response(render_template("error.html", status=status, message=message), mimetype="text/html")
    response.status_code = status
    return response


def register(app: Flask) -> None:
    """Answer all errors of ``app`` in one place."""

    @app.errorhandler(ApiError)
    def api_error(error: ApiError) -> Response:
        response = _error_response(error.status, error.message, error.messages)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(DomainError)
    def rule_broken(error: DomainError) -> Response:
        return _error_response(422, str(error), error.messages)

    @app.errorhandler(IntegrityError)
    @app.errorhandler(ObjectDeletedError)
    @app.errorhandler(StaleDataError)
    def lost_race(error: IntegrityError | ObjectDeletedError | StaleDataError) -> Response:
        log.warning("%s %s lost a race: %s", request.method, request.path, getattr(error, "orig", error))
        return _error_response(409, "Another request took this name, or changed this record, at the same moment.")

    # Taking the write lock and the pragmas are not SQLAlchemy's doing: their errors come as the driver raises them.
    @app.errorhandler(DriverDatabaseError)
    @app.errorhandler(DatabaseError)
    @app.errorhandler(TimeoutError)
    def store_unavailable(error: DriverDatabaseError | DatabaseError | TimeoutError) -> Response:
        cause = driver_error(error)
        if is_interrupted(cause):
            log.warning("%s %s: a query was stopped after %g s", request.method, request.path, READ_SECONDS)
            return _error_response(503, SEARCH_TIMEOUT_MESSAGE)
        log.error("%s %s: the store cannot be used: %s", request.method, request.path, cause)
        return _error_response(503, MESSAGES[503])

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = error.code or 500
        if error.response is not None or status < 400:
            return error.get_response()  # type: ignore[return-value]  # a redirect, or a finished answer
        response = _error_response(status, MESSAGES.get(status) or error.description or error.name)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(DataError)
    @app.errorhandler(NotSupportedError)
    @app.errorhandler(ProgrammingError)  # these three are DatabaseErrors, and yet faults of ours
    @app.errorhandler(Exception)
    def internal(error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.path)
        return _error_response(500, MESSAGES[500])
