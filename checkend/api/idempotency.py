"""``Idempotency-Key``: a POST request that is repeated with the same key gets the first response, and changes nothing.

1. `replay`, before the view, returns the response if there is one.
2. `remember` keeps the response in the transaction of the change, so that a crash loses both or neither.
3. When two requests with the same key run at once, the second one to write violates the unique constraint, and its
   change is rolled back with it. `replace_conflict` then responds with what the first one kept.
"""

import hashlib
import re

from flask import Flask, Response, current_app, g, request

from checkend.auth.decorators import read_body
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError
from checkend.models import IdempotentResponse
from checkend.notifications.encryption import SecretsUnreadableError, secret_box

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
_KEY = re.compile("[!-~]{1,255}")


def register(app: Flask, blueprints: list[str]) -> None:
    """Accept idempotency keys on the POST routes of the ``blueprints`` of ``app``, after they authenticated the key."""
    for name in blueprints:
        app.before_request_funcs.setdefault(name, []).append(replay)
        app.after_request_funcs.setdefault(name, []).append(replace_conflict)


def _key() -> str | None:
    """Return the idempotency key of the request, None without one. Raises `ApiError` 422 for an invalid one."""
    if request.method != "POST" or HEADER not in request.headers:
        return None
    key = request.headers[HEADER]
    if not _KEY.fullmatch(key):
        raise ApiError(422, messages=[f"{HEADER} must be 1 to 255 printable ASCII characters without spaces."])
    return key


def replay() -> Response | None:
    """Return the response to the first request with the same key; None for the first request, and without a key.

    Raises `ApiError` 422 if that was another request. A key that lacks the permission is left to the view.
    """
    key = _key()
    permission = getattr(current_app.view_functions[str(request.endpoint)], "permission", None)
    if key is None or permission not in g.api_key.permissions:
        return None
    g.idempotency_key = key
    g.idempotency_digest = hashlib.sha256(b"\0".join((request.path.encode(), read_body()))).digest()
    return _kept_response()


def remember(response: Response) -> None:
    """Keep a successful response, in the transaction that is open or else in one of its own."""
    if "idempotency_key" not in g or response.status_code >= 300:
        return
    if not g.get("writing"):  # a view that made its changes in transactions of its own
        with write_transaction():
            _keep(response)
    else:
        _keep(response)


def _keep(response: Response) -> None:
    IdempotentResponse.keep(
        g.api_key.key_id,
        g.idempotency_key,
        digest=g.idempotency_digest,
        status=response.status_code,
        location=response.headers.get("Location"),
        body=secret_box().seal({"body": response.get_data(as_text=True)}),
    )


def replace_conflict(response: Response) -> Response:
    """Return the response that another request with the same key kept, in place of an error of this one."""
    if response.status_code < 400 or "idempotency_key" not in g:
        return response
    db.session.rollback()
    try:
        return _kept_response() or response
    except ApiError:  # the error of this request says more than that the key was used for another one
        return response


def _kept_response() -> Response | None:
    kept = IdempotentResponse.find(g.api_key.key_id, g.idempotency_key)
    if kept is None:
        return None
    if kept.digest != g.idempotency_digest:
        raise ApiError(422, messages=[f"This {HEADER} was used for another request in the last 24 hours."])
    try:
        body: str = secret_box().open(kept.body)["body"]
    except SecretsUnreadableError:  # the file with the keys was replaced
        return None
    response = Response(body, kept.status, mimetype="application/json" if body else None)
    if not body:
        del response.headers["Content-Type"]
    if kept.location:
        response.headers["Location"] = kept.location
    response.headers[REPLAYED_HEADER] = "true"
    return response
