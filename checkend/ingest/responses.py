"""The responses to stored reports, and the headers with which pages of other sites may read them."""

import orjson

from checkend.ingest.rate_limit import HEADERS as RATE_LIMIT_HEADERS
from checkend.ingest.reports import IngestResult

# Headers of every response below /api/ and /ingest/. Keys are not sent in `Authorization`, so shared caches would store
# the responses without them.
API_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_EXPOSED_HEADERS = ", ".join(("Retry-After", *RATE_LIMIT_HEADERS))


def response_body(result: IngestResult, *, documented_200: bool) -> tuple[bytes, int]:
    """Return the JSON body and the status: 201, or for a duplicate with ``documented_200`` 200 without an id."""
    body = {
        "id": result.notice_id,
        "problem_id": result.problem_id,
        "deduplicated": result.deduplicated,
        "occurrence_count": result.occurrence_count,
    }
    if result.deduplicated and documented_200:
        del body["id"]
        return orjson.dumps(body), 200
    return orjson.dumps(body), 201


def metric_outcome(result: IngestResult) -> str:
    """Return the label of the outcome in /metrics."""
    return "deduplicated" if result.deduplicated else "stored"


def cors_headers(origin: str | None) -> list[tuple[str, str]]:
    """Return the CORS headers for a request from ``origin``.

    Browsers send reports with credentials when a page unloads, so the origin is repeated rather than a ``*``.
    """
    if not origin:
        return [("Vary", "Origin")]
    return [
        ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", _EXPOSED_HEADERS),
    ]
