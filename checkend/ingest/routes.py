"""``POST /ingest/v1/errors``, and the CORS preflight request that precedes it."""

import logging
import re
import zlib
from typing import TypeVar

from flask import Blueprint, Request, Response, g, request
from werkzeug.exceptions import HTTPException

from checkend.exceptions import ApiError
from checkend.ingest.exceptions import (
    DatabaseUnavailableError,
    InvalidReportError,
    MalformedReportError,
    RateLimitedError,
    ReportRejectedError,
    StorageLimitError,
    UnknownKeyError,
)
from checkend.ingest.fast_path import COUNTED_KEY, FAILED_KEY
from checkend.ingest.pipeline import Ingestion, ingestion
from checkend.ingest.quota import RETRY_AFTER_SECONDS
from checkend.ingest.reports import IngestResult
from checkend.ingest.responses import cors_headers, metric_outcome, response_body
from checkend.models.api_key import PREFIX as API_KEY_PREFIX
from checkend.services import services

INGESTION_KEY_HEADER = "Checkend-Ingestion-Key"
_JSON_TYPE = re.compile(r"(?:application/(?:[\w.+-]+\+)?json|text/plain|text/json)\Z")

T = TypeVar("T")

bp = Blueprint("ingest", __name__)
log = logging.getLogger("checkend.ingest")


@bp.route("/ingest/v1/errors", methods=["POST"], strict_slashes=False, provide_automatic_options=False)
def create() -> Response:
    """Store one error report."""
    pipeline = ingestion()
    result = _store_report(_current(request), pipeline)
    g.outcome = metric_outcome(result)
    body, status = response_body(result, documented_200=pipeline.documented_200)
    return Response(body, status, mimetype="application/json")


def _store_report(req: Request, pipeline: Ingestion) -> IngestResult:
    key = req.headers.get(INGESTION_KEY_HEADER) or req.args.get("key", "")
    try:
        app = pipeline.apps.find(key)
        g.reporting_app = app.app_id
        try:
            if error := req.environ.get(FAILED_KEY):
                raise error
            if COUNTED_KEY not in req.environ and pipeline.limiter is not None:
                pipeline.limiter.check(app.app_id)
            return pipeline.receive(app, _body(req, pipeline.max_body_bytes), req.environ)
        except (ApiError, HTTPException, MalformedReportError, RateLimitedError):
            # The app may come from the cache. If its key has been replaced since, the only response is 401.
            pipeline.apps.reload(key)
            raise
    except UnknownKeyError as error:
        raise _unauthorized(key) from error
    except MalformedReportError as error:
        raise ApiError(400, str(error)) from error
    except StorageLimitError as error:
        g.rejected_for = "app_storage"
        raise ApiError(429, str(error), retry_after=RETRY_AFTER_SECONDS) from error
    except (InvalidReportError, ReportRejectedError) as error:
        raise ApiError(422, str(error)) from error
    except RateLimitedError as error:
        g.rejected_for = f"rate_limit_{error.limit}"
        raise ApiError(429, str(error), retry_after=error.retry_after) from error
    except DatabaseUnavailableError as error:
        g.rejected_for = error.reason
        raise ApiError(503) from error


@bp.route("/ingest/v1/errors", methods=["OPTIONS"], strict_slashes=False)
def preflight() -> Response:
    """Respond to the preflight request of a browser that is about to send a report from another site."""
    response = Response(status=204)
    if "Origin" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Checkend-Ingestion-Key, User-Agent"
        response.headers["Access-Control-Max-Age"] = "86400"
    response.headers["Allow"] = "POST, OPTIONS"
    return response


@bp.after_request
def finish(response: Response) -> Response:
    """Count the outcome of a report, and allow pages of other sites to read the response."""
    req = _current(request)
    if req.method == "POST":
        metrics = services().metrics
        metrics.report(g.get("reporting_app"), g.get("outcome", "refused"), response.status_code)
        if reason := g.get("rejected_for"):
            metrics.rejection(g.reporting_app, reason)
    response.headers.extend(cors_headers(req.headers.get("Origin")))
    limiter = ingestion().limiter
    if limiter is not None and "reporting_app" in g:
        response.headers.extend(limiter.headers(g.reporting_app))
    return response


def _current(proxy: T) -> T:
    """Return the object behind Flask's proxy, which would otherwise be resolved at every access."""
    current: T = proxy._get_current_object()  # type: ignore[attr-defined]  # the type stubs hide the proxy
    return current


def _unauthorized(key: str) -> ApiError:
    if key.startswith(API_KEY_PREFIX):
        return ApiError(401, "This is an API key of the Management API; reports need the ingestion key of an app")
    return ApiError(401, "Invalid or missing ingestion key")


def _body(req: Request, limit: int) -> bytes:
    media_type = (req.mimetype or "").lower()
    if media_type and not _JSON_TYPE.match(media_type):
        raise ApiError(415, f"Content-Type {media_type[:100]} is not supported; send application/json")
    req.max_content_length = limit
    body = req.get_data(cache=False)
    encoding = req.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        return _decompress(body, limit)
    if encoding not in ("", "identity"):
        raise ApiError(415, f"Content-Encoding {encoding[:100]} is not supported; send gzip or none")
    return body


def _decompress(body: bytes, limit: int) -> bytes:
    """Decompress gzip. Stops after ``limit`` bytes, so that a decompression bomb costs no more than a large report."""
    decompressor = zlib.decompressobj(wbits=31)
    try:
        report = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise ApiError(400, f"Request body is not valid gzip: {error}") from error
    if len(report) > limit:
        raise ApiError(413, f"The report is larger than {limit} bytes when decompressed")
    if not decompressor.eof:
        raise ApiError(400, "Request body is not valid gzip: it is truncated")
    if decompressor.unused_data:
        raise ApiError(400, "Request body is not valid gzip: it has data after the end of the stream")
    return report
