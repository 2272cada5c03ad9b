"""What arrives at the server of a request, told only to someone who has its secret key: `checkend doctor`."""

from typing import TYPE_CHECKING, Any

from itsdangerous import BadSignature, TimestampSigner

if TYPE_CHECKING:
    from flask import Request

HEADER = "Checkend-Doctor"
VALID_SECONDS = 300


def create_token(secret_key: str) -> str:
    """Return the value of `HEADER` with which ``/up`` describes the request."""
    return TimestampSigner(secret_key, salt="checkend.doctor").sign("up").decode()


def describe(request: "Request", secret_key: str) -> dict[str, Any] | None:
    """Return the request as the server sees it; None unless it has a valid token."""
    try:
        TimestampSigner(secret_key, salt="checkend.doctor").unsign(request.headers[HEADER], max_age=VALID_SECONDS)
    except (KeyError, BadSignature):
        return None
    forwarded_for = request.headers.get("X-Forwarded-For", "")
    return {
        "scheme": request.scheme,
        "host": request.host,
        "client_ip": request.remote_addr,
        "forwarded_for": [entry.strip() for entry in forwarded_for.split(",") if entry.strip()],
    }
