"""ntfy, on ntfy.sh or a server of one's own: plain text, published as JSON.

ntfy turns messages of more than 4,096 bytes into attachments, and rejects JSON documents of more than twice that size.
The limits of the parts are therefore in bytes of JSON.
"""

import re
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from checkend.notifications.channels import content, settings
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.channels.text import fit, fit_line, json_length
from checkend.notifications.message import Event, Notification

KIND = "ntfy"
LABEL = "ntfy"
SECRETS: tuple[str, ...] = ("token",)

_TOPIC = re.compile("[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile("[A-Za-z0-9_-]{1,200}")

DEFAULT_SERVER = "https://ntfy.sh"
MESSAGE_LIMIT = 1_400
VALUE_LIMIT = 200
LINE_LIMIT = 400
DIGEST_LIMIT = 4_000

_TAGS = {
    Event.NEW_PROBLEM: "rotating_light",
    Event.REOCCURRENCE: "repeat",
    Event.THRESHOLD: "chart_with_upwards_trend",
    Event.SPIKE: "chart_with_upwards_trend",
    Event.UNMUTED: "loud_sound",
    Event.DIGEST: "rotating_light",
    Event.TEST: "white_check_mark",
}
_DEFAULT_PRIORITY, _HIGH_PRIORITY = 3, 4

_fit = partial(fit, length=json_length)
_fit_line = partial(fit_line, length=json_length)


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    topic = "1 to 64 letters, digits, hyphens and underscores, such as shop-alerts"
    settings.check(
        settings.unknown(config, secrets, ("server", "topic"), SECRETS),
        _check_server(config) if config.get("server") else [],
        settings.text(config, "topic", _TOPIC, topic),
        settings.text(secrets, "token", _TOKEN, "an access token, such as tk_AgQdq7mVBoFD37zQ…", required=False),
    )


def build_request(
    notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
) -> OutgoingRequest:
    """Return the request that delivers the notification."""
    payload: dict[str, Any] = {
        "topic": config["topic"],
        "title": _fit_line(notification.title, LINE_LIMIT),
        "message": plain_text(notification),
        "priority": _HIGH_PRIORITY if notification.event is Event.SPIKE else _DEFAULT_PRIORITY,
        "tags": [_TAGS[notification.event]],
    }
    if notification.url:
        payload["click"] = notification.url
    token = secrets.get("token")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    server = (config.get("server") or DEFAULT_SERVER).rstrip("/")
    return content.json_request(f"{server}/", payload, headers)


def plain_text(notification: Notification) -> str:
    """Return the text of a message, of at most 4,096 bytes in JSON."""
    if notification.event is Event.TEST:
        return _fit_line(content.text_of_test(notification), LINE_LIMIT)
    if notification.event is Event.DIGEST:
        lines = [
            f"{_fit_line(content.class_and_message(problem), LINE_LIMIT)} ({content.occurrences(problem)})"
            for problem in notification.problems[: content.DIGEST_PROBLEMS]
        ]
        room = DIGEST_LIMIT - sum(json_length(line) + 2 for line in lines)
        lines.append(content.SEPARATOR.join(content.other_problems(notification, room, length=json_length)))
        return "\n".join(line for line in (*lines, content.and_more(notification)) if line)
    problem = notification.problems[0]
    paragraphs = [
        _fit(problem.message.strip(), MESSAGE_LIMIT),
        "\n".join(f"{label}: {_fit(value, VALUE_LIMIT)}" for label, value in content.facts(notification.app, problem)),
        "\n".join(_fit(frame, VALUE_LIMIT) for frame in content.frames(problem)),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _check_server(config: dict[str, Any]) -> list[str]:
    if messages := settings.url(config, "server", ("https", "http")):
        return messages
    parts = urlsplit(config["server"])
    if parts.path.strip("/") or parts.query or parts.fragment:
        return ["'server' must be the server's address only, such as https://ntfy.sh. Enter the topic as 'topic'."]
    return []
