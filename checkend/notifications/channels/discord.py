"""Discord, by an incoming webhook: one embed per notification.

Text from reports is put into the embed only, where Discord notifies nobody; its Markdown is escaped, and
``allowed_mentions`` forbids all mentions.
"""

import re
from datetime import datetime
from typing import Any

from checkend import clock
from checkend.notifications.channels import content, settings
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.channels.text import fit, fit_line, utf16_length
from checkend.notifications.message import Event, Notification, ProblemSummary

KIND = "discord"
LABEL = "Discord"
SECRETS: tuple[str, ...] = ("url",)

DESCRIPTION_LIMIT = 4_000  # Discord allows 4,096

_MARKDOWN = re.compile(r"([\\`*_~|<>\[\]()#+\-.@:])")
_RED, _GRAY = 0xC0392B, 0x7F8C8D


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    settings.check(settings.unknown(config, secrets, (), SECRETS), settings.url(secrets, "url"))


def build_request(
    notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
) -> OutgoingRequest:
    """Return the request that delivers the notification."""
    embed: dict[str, Any] = {
        "title": fit_line(notification.title, content.TITLE_LIMIT, _escape),
        "color": _GRAY if notification.event is Event.TEST else _RED,
        "timestamp": clock.iso(notification.created_at),
    }
    if notification.url:
        embed["url"] = notification.url
    if notification.event is Event.TEST:
        embed["description"] = fit(content.text_of_test(notification), content.LINE_LIMIT, _escape)
    elif notification.event is Event.DIGEST:
        embed["description"] = _digest(notification)
    else:
        embed |= _problem(notification)
    return content.json_request(secrets["url"], {"embeds": [embed], "allowed_mentions": {"parse": []}})


def _problem(notification: Notification) -> dict[str, Any]:
    problem = notification.problems[0]
    parts = [
        fit(problem.message.strip(), content.MESSAGE_LIMIT, _escape),
        "\n".join(fit(frame, content.LINE_LIMIT, _escape) for frame in content.frames(problem)),
    ]
    fields = [
        {"name": label, "value": fit(value, content.VALUE_LIMIT, _escape), "inline": label != "Culprit"}
        for label, value in content.facts(notification.app, problem)
    ]
    description = "\n\n".join(part for part in parts if part)
    return {"description": description, "fields": fields} if description else {"fields": fields}


def _digest(notification: Notification) -> str:
    lines = [_digest_entry(problem) for problem in notification.problems[: content.DIGEST_PROBLEMS]]
    room = DESCRIPTION_LIMIT - sum(utf16_length(line) + 1 for line in lines)
    names = content.SEPARATOR.join(content.other_problems(notification, room, _escape))
    return "\n".join(line for line in (*lines, names, content.and_more(notification)) if line)


def _digest_entry(problem: ProblemSummary) -> str:
    title = fit_line(content.class_and_message(problem), content.LINE_LIMIT, _escape)
    return f"{f'[{title}]({problem.url})' if problem.url else title} · {content.occurrences(problem)}"


def _escape(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)
