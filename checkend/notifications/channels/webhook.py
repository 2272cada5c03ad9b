"""Webhooks: JSON to any URL, signed as specified by Standard Webhooks (https://www.standardwebhooks.com).

The body is for programs: it carries the problem as the Management API returns it, neither truncated nor escaped.
"""

import base64
import binascii
import hashlib
import hmac
import secrets as random
from datetime import datetime
from typing import Any

from checkend import clock
from checkend.notifications.channels import settings
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.channels.content import json_body
from checkend.notifications.message import Event, Notification

KIND = "webhook"
LABEL = "Webhook"
SECRETS: tuple[str, ...] = ("signing_secrets",)

TYPES = {
    Event.NEW_PROBLEM: "problem.new",
    Event.REOCCURRENCE: "problem.reoccurred",
    Event.THRESHOLD: "problem.threshold",
    Event.SPIKE: "problem.spike",
    Event.UNMUTED: "problem.unmuted",
    Event.DIGEST: "digest",
    Event.TEST: "test",
}
_PREFIX = "whsec_"


def generate_signing_secret() -> str:
    """Return a new random secret of 32 bytes, such as "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD…"."""
    return _PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    settings.check(
        # Signing secrets are generated, not entered: the message does not offer them.
        settings.unknown(config, {name: None for name in secrets if name not in SECRETS}, ("url",), ()),
        settings.url(config, "url", ("https", "http")),
        _check_signing_secrets(secrets.get("signing_secrets")),
    )


def build_request(
    notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
) -> OutgoingRequest:
    """Return the request that delivers the notification, signed with each of the secrets."""
    body = json_body(
        {
            "type": TYPES[notification.event],
            "timestamp": clock.iso(notification.created_at),
            "data": _data(notification),
        }
    )
    timestamp = str(int(now.timestamp()))
    signed = b".".join((notification.id.encode(), timestamp.encode(), body))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": notification.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_sign(secret, signed) for secret in secrets["signing_secrets"]),
    }
    return OutgoingRequest(config["url"], body, headers)


def _data(notification: Notification) -> dict[str, Any]:
    app = notification.app
    data: dict[str, Any] = {"app": {"id": app.id, "name": app.name, "slug": app.slug}}
    if notification.event is Event.DIGEST:
        data |= {"count": notification.count, "problems": [problem.resource for problem in notification.problems]}
        data |= notification.details
    elif notification.event is not Event.TEST:
        problem = notification.problems[0]
        data |= {"problem": problem.resource, "notice": problem.notice}
        if notification.details:
            data[notification.event] = notification.details
    return data


def _sign(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _check_signing_secrets(values: object) -> list[str]:
    if not isinstance(values, list) or not values:
        return ["'signing_secrets' is missing. Generate a signing secret."]
    if not all(isinstance(value, str) and _is_signing_secret(value) for value in values):
        return ["Each of 'signing_secrets' must be 'whsec_' and 24 to 64 bytes in base64. Generate a new one."]
    return []


def _is_signing_secret(value: str) -> bool:
    try:
        key = base64.b64decode(value.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return False
    return value.startswith(_PREFIX) and 24 <= len(key) <= 64
