"""The operation that receives reports. Its validation is lenient and not marshmallow's, so it is described by hand."""

from typing import Any

from checkend.ingest.rate_limit import HEADERS

_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_FRAME = {
    "anyOf": [
        {"type": "string", "description": "A line of a backtrace, as the language prints it."},
        {
            "type": "object",
            "properties": {
                "file": _TEXT,
                "line": {"type": "integer"},
                "method": _TEXT,
                "column": {"type": "integer"},
            },
        },
    ]
}
_ERROR = {
    "type": "object",
    "properties": {
        "class": _TEXT,
        "message": _TEXT,
        "backtrace": {"type": "array", "items": _FRAME, "description": "Innermost frame first."},
        "fingerprint": {"type": "string", "description": "Replaces grouping."},
        "tags": {"type": "array", "items": _TEXT},
        "occurred_at": {"type": "string", "format": "date-time"},
    },
    "required": ["class"],
}
_DETAILS = {"context": _OBJECT, "request": _OBJECT, "user": _OBJECT, "notifier": _OBJECT}
_NESTED = {
    "type": "object",
    "title": "Nested form",
    "properties": {"error": _ERROR} | _DETAILS,
    "required": ["error"],
}
_FLAT_NAMES = {"class": "error_class"}
_FLAT = {
    "type": "object",
    "title": "Flat form",
    "properties": {_FLAT_NAMES.get(name, name): schema for name, schema in _ERROR["properties"].items()}  # type: ignore[attr-defined]  # a dict
    | {"environment": _TEXT}
    | _DETAILS,
    "required": ["error_class"],
}
_RESULT = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "description": "The notice: the report's own, or the one that it is a duplicate of."},
        "problem_id": {"type": "integer"},
        "deduplicated": {"type": "boolean"},
        "occurrence_count": {"type": "integer"},
    },
    "required": ["problem_id", "deduplicated", "occurrence_count"],
}
_REJECTION = {"type": "object", "properties": {"error": _TEXT}, "required": ["error"]}
# Not sent where rate limits are turned off.
_RATE_LIMIT_HEADERS = {
    name: {"schema": {"type": "integer"}, "description": description}
    for name, description in zip(
        HEADERS,
        (
            "The reports that the app may send in a minute, or an hour if fewer remain in that.",
            "How many of them remain.",
            "The seconds until they are available again.",
        ),
        strict=True,
    )
}
_REJECTIONS = {
    400: "The body is not valid JSON, not an object, or not valid gzip.",
    401: "The ingestion key is missing or unknown.",
    413: "The body exceeds CHECKEND_MAX_BODY_BYTES, compressed or decompressed.",
    415: "The content type is not JSON, or the content encoding is not gzip.",
    422: "There is no error class, or the database rejects this one report.",
    429: "The app has exceeded a rate limit or its share of the database.",
    500: "Unexpected; details are in the server's log.",
    503: "The database is locked, full or unavailable, or the server is stopping.",
}


def ingestion_paths() -> dict[str, dict[str, Any]]:
    """Return the operations of the ingestion endpoint, by path and method."""
    key = {
        "name": "key",
        "in": "query",
        "description": "The ingestion key, where headers cannot be set.",
        "schema": _TEXT,
    }
    responses = {
        "201": {
            "description": "The report is on disk, or counted as a duplicate.",
            "headers": _RATE_LIMIT_HEADERS,
            "content": _json(_RESULT),
        },
        "200": {
            "description": "Counted as a duplicate, with CHECKEND_NOTICE_DEDUP_STATUS=200.",
            "headers": _RATE_LIMIT_HEADERS,
            "content": _json(_RESULT),
        },
        **{str(status): _rejection(status, text) for status, text in _REJECTIONS.items()},
    }
    create = {
        "operationId": "report_error",
        "summary": "Report an error",
        "description": "Any other field is accepted and stored in the context.",
        "tags": ["Reporting errors"],
        "security": [{"ingestionKey": []}, {}],
        "parameters": [key],
        "requestBody": {"required": True, "content": _json({"anyOf": [_NESTED, _FLAT]})},
        "responses": responses,
    }
    preflight = {
        "operationId": "preflight_report",
        "summary": "Ask whether a page of another site may report",
        "tags": ["Reporting errors"],
        "security": [],
        "responses": {"204": {"description": "It may."}},
    }
    return {"/ingest/v1/errors": {"post": create, "options": preflight}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _rejection(status: int, description: str) -> dict[str, Any]:
    response: dict[str, Any] = {"description": description, "content": _json(_REJECTION)}
    if status in (429, 503):
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
        if status == 429:
            response["headers"] |= _RATE_LIMIT_HEADERS
    return response
