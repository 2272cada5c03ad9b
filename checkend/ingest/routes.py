"""``POST /ingest/v1/errors``, and what browsers ask before it."""

import logging
import re
import zlib
from typing import TypeVar

from flask import Blueprint, Request, Response, g, request
from werkzeug.exceptions import HTTPException

from checkend.exceptions import ApiError
from checkend.ingest.fast_path import COUNTED_KEY, FAILED_KEY
from checkend.ingest.normalize import InvalidReportError, MalformedReportError
from checkend.ingest.pipeline import Ingestion, UnknownKeyError, ingestion
from checkend.ingest.quota import RETRY_AFTER_SECONDS, StorageLimitError
from checkend.ingest.rate_limit import RateLimitedError
from checkend.ingest.responses import cors_headers, metric_outcome, response_body
from checkend.ingest.store import IngestResult
from checkend.ingest.writer import DatabaseUnavailableError, ReportRejectedError
from checkend.models.api_key import PREFIX as API_KEY_PREFIX
from checkend.services import services

INGESTION_KEY_HEADER = "Checkend-Ingestion-Key"
_JSON_TYPE = re.compile(r"(?:application/(?:[\w.+-]+\+)?json|text/plain|text/json)\Z")

T = TypeVar("T")

bp = Blueprint("ingest", __name__)
log = logging.getLogger("checkend.ingest")


@bp.route("/ingest/v1/errors", methods=["POST"], strict_slashes=False, provide_automatic_options=False)
def create() -> Response:
    """Take in one error report."""
    into = ingestion()
    stored = _store_report(_current(request), into)
    g.outcome = metric_outcome(stored)
    body, status = response_body(stored, documented_200=into.documented_200)
    return Response(body, status, mimetype="application/json")


def _store_report(asked: Request, into: Ingestion) -> IngestResult:
    key = asked.headers.get(INGESTION_KEY_HEADER) or asked.args.get("key", "")
    try:
        sender = into.sender(key)
        g.reporting_app = sender.app_id
        try:
            if failed := asked.environ.get(FAILED_KEY):
                raise failed
            if COUNTED_KEY not in asked.environ and into.limiter is not None:
                into.limiter.check(sender.app_id)
            return into.receive(sender, _body(asked, into.max_body_bytes), asked.environ)
        except (ApiError, HTTPException, MalformedReportError, RateLimitedError):
            into.check(key)  # a key that is none any more learns nothing else
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
    """What a browser asks before it reports from another site."""
    response = Response(status=204)
    if "Origin" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Checkend-Ingestion-Key, User-Agent"
        response.headers["Access-Control-Max-Age"] = "86400"
    response.headers["Allow"] = "POST, OPTIONS"
    return response


@bp.after_request
def finish(response: Response) -> Response:
    """Count what became of a report, and let the page that sent it read the answer."""
    asked = _current(request)
    if asked.method == "POST":
        counts = services().metrics
        counts.report(g.get("reporting_app"), g.get("outcome", "refused"), response.status_code)
        if reason := g.get("rejected_for"):
            counts.rejection(g.reporting_app, reason)
    response.headers.extend(cors_headers(asked.headers.get("Origin")))
    return response


def _current(proxy: T) -> T:
    """What Flask's proxy stands for, looked up once: each use of the proxy itself would look again."""
    found: T = proxy._get_current_object()  # type: ignore[attr-defined]  # the type stubs hide the proxy
    return found


def _unauthorized(key: str) -> ApiError:
    if key.startswith(API_KEY_PREFIX):
        return ApiError(401, "This is a key of the Management API; reports need the ingestion key of an app")
    return ApiError(401, "Invalid or missing ingestion key")


def _body(asked: Request, limit: int) -> bytes:
    kind = (asked.mimetype or "").lower()
    if kind and not _JSON_TYPE.match(kind):
        raise ApiError(415, f"Reports are sent as application/json, not as {kind[:100]}")
    asked.max_content_length = limit
    body = asked.get_data(cache=False)
    encoding = asked.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        return _unpack(body, limit)
    if encoding not in ("", "identity"):
        raise ApiError(415, f"Content-Encoding {encoding[:100]} is not accepted; send gzip or none")
    return body


def _unpack(body: bytes, limit: int) -> bytes:
    """Unpack gzip, but never more than ``limit`` bytes of it: a bomb costs no more than a large report."""
    opener = zlib.decompressobj(wbits=31)
    try:
        unpacked = opener.decompress(body, limit + 1)
    except zlib.error as error:
        raise ApiError(400, f"Request body is not valid gzip: {error}") from error
    if len(unpacked) > limit:
        raise ApiError(413, f"The report is larger than {limit} bytes when unpacked")
    if not opener.eof:
        raise ApiError(400, "Request body is not valid gzip: it ends early")
    if opener.unused_data:
        raise ApiError(400, "Request body is not one gzip stream: something follows it")
    return unpacked
