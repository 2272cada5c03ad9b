"""What the responses of the Management API have in common: entity tags, preconditions, links and compression."""

import gzip
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, request
from marshmallow import Schema

from checkend.exceptions import ApiError
from checkend.schemas.page import Page

COMPRESS_BYTES = 1_000  # a response of less fits into one packet
_API = "/api/"


def register(app: Flask) -> None:
    """Add entity tags and compression to the API's responses on ``app``."""
    app.after_request(_finish)


def _finish(response: Response) -> Response:
    if not request.path.startswith(_API):
        return response
    if request.method in ("GET", "HEAD") and response.status_code == 200:
        response.add_etag()
        response.make_conditional(request)
    if response.status_code != 304 and response.is_json:
        _compress(response)
    return response


def _compress(response: Response) -> None:
    response.vary.add("Accept-Encoding")
    body = response.get_data()
    if len(body) < COMPRESS_BYTES or request.accept_encodings.best_match(["gzip", "identity"]) != "gzip":
        return
    response.set_data(gzip.compress(body, compresslevel=5, mtime=0))
    response.content_encoding = "gzip"


def check_precondition(schema: Schema, record: Any) -> None:
    """Raise `ApiError` 412 if the request has ``If-Match``, and none of its entity tags is that of ``record``.

    The tag is that of the response to a GET, which ``schema`` dumps.
    """
    if not request.if_match:
        return
    current = jsonify(schema.dump(record))
    current.add_etag()
    if not request.if_match.contains_weak(current.get_etag()[0] or ""):
        raise ApiError(412, "The record has changed since you read it. Read it again, and repeat the change.")


def link_pages(response: Response, page: Page, total: int) -> None:
    """Add a ``Link`` header (RFC 8288) with the first, previous, next and last page of the list."""
    last = max(-(-total // page.per_page), 1)
    pages = {"first": 1, "prev": page.number - 1, "next": page.number + 1, "last": last}
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in ("page", "per_page")]
    for relation, number in pages.items():
        if 1 <= number <= last:
            query = urlencode([*kept, ("page", number), ("per_page", page.per_page)])
            response.headers.add("Link", f'<{request.script_root}{request.path}?{query}>; rel="{relation}"')
