"""An id for each request: the client's own or a new one, returned with the response and part of each log line."""

import re
import secrets

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
_VALID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def register(app: Flask) -> None:
    """Give each request of ``app`` that reaches Flask an id, and return it in `HEADER`."""
    app.before_request(_assign)
    app.after_request(_return)


def _assign() -> None:
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _VALID.fullmatch(sent) else secrets.token_hex(8)


def _return(response: Response) -> Response:
    if "request_id" in g:  # else an earlier step has rejected the request
        response.headers[HEADER] = g.request_id
    return response
