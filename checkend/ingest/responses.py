"""What a report that was taken in is answered, and what lets a page of another site read it."""

import orjson

from checkend.ingest.store import IngestResult

# Headers of every response below /api/ and /ingest/. Keys are not sent in `Authorization`, so shared caches would store
# the responses without them.
API_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def response_body(stored: IngestResult, *, documented_200: bool) -> tuple[bytes, int]:
    """The JSON of the answer and its status: 201, and with ``documented_200`` 200 without an id for a repeat."""
    answer = {
        "id": stored.notice_id,
        "problem_id": stored.problem_id,
        "deduplicated": stored.deduplicated,
        "occurrence_count": stored.occurrence_count,
    }
    if stored.deduplicated and documented_200:
        del answer["id"]
        return orjson.dumps(answer), 200
    return orjson.dumps(answer), 201


def metric_outcome(stored: IngestResult) -> str:
    """What /metrics calls it."""
    return "deduplicated" if stored.deduplicated else "stored"


def cors_headers(origin: str | None) -> list[tuple[str, str]]:
    """Reports come from other sites; the page-unload beacon comes with credentials, so the origin is echoed."""
    if not origin:
        return [("Vary", "Origin")]
    return [
        ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "Retry-After"),
    ]
