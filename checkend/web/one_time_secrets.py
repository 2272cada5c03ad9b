"""Secrets that a page shows only once: a new API key, a password link, an invitation link.

The POST that creates a secret redirects to the page that shows it, so that a reload neither creates a second one nor
shows the first one again. Between the two requests the secret travels in a cookie of its own, encrypted with a key
derived from SECRET_KEY: not in the URL, which browsers and proxies record, not in the session cookie, which is signed
but readable, and not in the memory of the process, as the redirect may reach another one.
"""

import base64
import hashlib
import json
from typing import Any

from flask import after_this_request, current_app, redirect, request
from werkzeug.wrappers import Response

from checkend.auth.sessions import current_session, is_https

COOKIE = "checkend_shown_once"
VALID_SECONDS = 60


def redirect_with_secret(path: str, **values: Any) -> Response:
    """Return a redirect to ``path``, whose view gets ``values`` from `pop_secret`, once.

    ``values`` must be JSON serializable and short: browsers drop cookies over 4 kB.
    """
    response = redirect(path)
    payload = json.dumps({"session": current_session().id, "values": values}).encode()
    response.set_cookie(
        COOKIE,
        _cipher().encrypt(payload).decode(),
        max_age=VALID_SECONDS,
        path=path,
        secure=is_https(),
        httponly=True,
        samesite="Strict",
    )
    return response


def pop_secret() -> dict[str, Any]:
    """Return the values that `redirect_with_secret` passed to this page and delete the cookie; {} if there are none.

    A cookie that is older than 60 seconds, was not set by this server, or belongs to another session is ignored.
    """
    from cryptography.fernet import InvalidToken

    token = request.cookies.get(COOKIE)
    if token is None:
        return {}
    path = request.script_root + request.path

    @after_this_request
    def delete_cookie(response: Response) -> Response:
        response.delete_cookie(COOKIE, path=path, secure=is_https(), httponly=True, samesite="Strict")
        return response

    try:
        payload = json.loads(_cipher().decrypt(token, ttl=VALID_SECONDS))
    except (InvalidToken, ValueError):  # ValueError for a cookie that is not ASCII
        return {}
    values: dict[str, Any] = payload["values"]
    return values if payload["session"] == current_session().id else {}


def _cipher() -> Any:
    from cryptography.fernet import Fernet  # here, as it is slow to import and rarely needed

    secret = str(current_app.config["SECRET_KEY"]).encode()
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"checkend.shown-once\0" + secret).digest()))
