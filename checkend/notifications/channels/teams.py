"""Microsoft Teams, by a workflow that is triggered by a webhook request and posts an Adaptive Card.

Text from reports is only put into ``TextRun`` elements, which show plain text: a ``TextBlock`` would format Markdown.
"""

import re
from datetime import datetime
from typing import Any

from checkend.notifications.channels import content, settings
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.channels.text import fit, fit_line, json_length
from checkend.notifications.message import Event, Notification

KIND = "teams"
LABEL = "Microsoft Teams"
SECRETS: tuple[str, ...] = ("url",)

URL_LIMIT = 1_000
MESSAGE_LINES = 20
NAMES_LIMIT = 18_000  # bytes of all names in a digest


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    settings.check(
        settings.unknown(config, secrets, (), SECRETS),
        settings.url(secrets, "url", limit=URL_LIMIT),
    )


def build_request(
    notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
) -> OutgoingRequest:
    """Return the request that delivers the notification. Its body is far below the limit of 28 KB."""
    title = fit_line(notification.title, content.TITLE_LIMIT)
    if notification.event is Event.TEST:
        body = [_block(_run(fit(content.text_of_test(notification), content.LINE_LIMIT)))]
    elif notification.event is Event.DIGEST:
        body = _digest(notification)
    else:
        body = _problem(notification)
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": title,
        "body": [_block(_run(title, size="Large", weight="Bolder")), *body],
        "msteams": {"width": "Full"},
    }
    if notification.url:
        card["actions"] = [
            {"type": "Action.OpenUrl", "title": content.link_label(notification), "url": notification.url}
        ]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return content.json_request(secrets["url"], {"type": "message", "attachments": [attachment]})


def _problem(notification: Notification) -> list[dict[str, Any]]:
    problem = notification.problems[0]
    facts = [
        _block(_run(f"{label}: ", weight="Bolder"), _run(fit(value, content.VALUE_LIMIT)))
        for label, value in content.facts(notification.app, problem)
    ]
    return [*_code(_message_lines(problem.message)), *_group(facts), *_code(content.frames(problem))]


def _message_lines(message: str) -> list[str]:
    """Return the lines that are not blank: clients do not agree on showing line breaks within a block."""
    lines = [line for line in fit(message, content.MESSAGE_LIMIT).split("\n") if line.strip()]
    return lines if len(lines) <= MESSAGE_LINES else [*lines[: MESSAGE_LINES - 1], "…"]


def _digest(notification: Notification) -> list[dict[str, Any]]:
    blocks = []
    for problem in notification.problems[: content.DIGEST_PROBLEMS]:
        link = {"selectAction": {"type": "Action.OpenUrl", "url": problem.url}} if problem.url else {}
        title = _run(fit_line(content.class_and_message(problem), content.LINE_LIMIT), **link)
        blocks.append(_block(title, _run(f" · {content.occurrences(problem)}", isSubtle=True)))
    names = content.other_problems(notification, NAMES_LIMIT, length=lambda text: json_length(_literal(text)))
    if names:
        blocks.append(_block(_run(content.SEPARATOR.join(names))))
    if more := content.and_more(notification):
        blocks.append(_block(_run(more)))
    return blocks


def _code(lines: list[str]) -> list[dict[str, Any]]:
    return _group([_block(_run(line, fontType="Monospace")) for line in lines])


def _group(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the blocks without space between them."""
    return blocks[:1] + [block | {"spacing": "None"} for block in blocks[1:]]


def _block(*inlines: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(inlines)}


def _run(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": _literal(text), **style}


def _literal(text: str) -> str:
    # Clients replace {{DATE(…)}} and {{TIME(…)}} even in plain text: a zero-width space keeps them as reported.
    return re.sub(r"\{(?=\{)", "{\u200b", text)
