"""Headers of every response to programs: everything under ``/api/`` and ``/ingest/``."""

from flask import Flask, Response, request

from checkend.auth.sessions import is_api_path
from checkend.ingest.responses import API_HEADERS


def register(app: Flask) -> None:
    """Send `API_HEADERS` with every response of ``app`` to a program, unless the route sets its own."""
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    if is_api_path(request.path):
        for name, value in API_HEADERS.items():
            response.headers.setdefault(name, value)
    return response
