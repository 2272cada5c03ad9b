"""Headers of every response to a program, which is everything under ``/api/`` and ``/ingest/``."""

from flask import Flask, Response, request

from checkend.auth.sessions import is_api_path

# Keys are not sent in `Authorization`, so shared caches would keep the responses if they were not told otherwise.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def register(app: Flask) -> None:
    """Send `HEADERS` with every response of ``app`` to a program, unless the route sets its own."""
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    if is_api_path(request.path):
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
    return response
