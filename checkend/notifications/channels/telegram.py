"""Telegram, by a bot.

Text from reports is escaped and only put into ``code`` and ``pre`` elements, in which Telegram recognizes no links,
mentions, hashtags or commands.
"""

import re
from datetime import datetime
from html import escape
from typing import Any

from checkend.notifications.channels import content, settings
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.channels.text import fit, fit_line
from checkend.notifications.message import Event, Notification, ProblemSummary

KIND = "telegram"
LABEL = "Telegram"
SECRETS: tuple[str, ...] = ("token",)

_CHAT_ID = re.compile("-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}")
_THREAD_ID = re.compile("[1-9][0-9]{0,15}")
_TOKEN = re.compile("[0-9]{1,20}:[A-Za-z0-9_-]{20,100}")

API_URL = "https://api.telegram.org"
# Telegram allows 4,096 characters in all, counted without tags and after entities are replaced.
MESSAGE_LIMIT = 1_000
NAMES_LIMIT = 2_000


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    chat = "the numeric id of a chat, such as -1001234567890, or the name of a public channel, such as @alerts"
    settings.check(
        settings.unknown(config, secrets, ("chat_id", "message_thread_id"), SECRETS),
        settings.text(config, "chat_id", _CHAT_ID, chat),
        settings.text(config, "message_thread_id", _THREAD_ID, "the numeric id of a topic, such as 42", required=False),
        settings.text(secrets, "token", _TOKEN, "the bot's token, such as 123456:ABC-DEF1234ghIkl…"),
    )


def build_request(
    notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
) -> OutgoingRequest:
    """Return the request that delivers the notification."""
    parts = [f"<b>{_fit_line(notification.headline, content.TITLE_LIMIT)}</b>"]
    if notification.event is Event.TEST:
        parts.append(_fit_line(content.text_of_test(notification), content.LINE_LIMIT))
    elif notification.event is Event.DIGEST:
        parts += [_digest_entry(problem) for problem in notification.problems[: content.DIGEST_PROBLEMS]]
        parts.append(_code(content.SEPARATOR.join(content.other_problems(notification, NAMES_LIMIT))))
        parts.append(content.and_more(notification))
    else:
        parts += _problem(notification)
    if notification.url:
        parts.append(_link(notification.url, content.link_label(notification)))
    payload: dict[str, Any] = {
        "chat_id": config["chat_id"],
        "text": "\n".join(part for part in parts if part),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    if thread_id := config.get("message_thread_id"):
        payload["message_thread_id"] = int(thread_id)
    return content.json_request(f"{API_URL}/bot{secrets['token']}/sendMessage", payload)


def _problem(notification: Notification) -> list[str]:
    problem = notification.problems[0]
    message = escape(fit(problem.message.strip(), MESSAGE_LIMIT), quote=False)
    frames = escape("\n".join(content.frames(problem)), quote=False)
    return [
        _code(fit_line(problem.error_class, content.VALUE_LIMIT)),
        f"<pre>{message}</pre>" if message else "",
        *(
            f"{label}: {_code(fit(value, content.VALUE_LIMIT))}"
            for label, value in content.facts(notification.app, problem)
        ),
        f"<pre>{frames}</pre>" if frames else "",
    ]


def _digest_entry(problem: ProblemSummary) -> str:
    title = _code(fit_line(content.class_and_message(problem), content.LINE_LIMIT))
    link = f" · {_link(problem.url, 'Open')}" if problem.url else ""
    return f"• {title} · {content.occurrences(problem)}{link}"


def _code(text: str) -> str:
    return f"<code>{escape(text, quote=False)}</code>" if text else ""


def _link(url: str, label: str) -> str:
    return f'<a href="{escape(url)}">{label}</a>'


def _fit_line(text: str, limit: int) -> str:
    return escape(fit_line(text, limit), quote=False)
