"""Google Chat, by an incoming webhook: one card per notification.

Text from reports is escaped in widgets, which format a subset of HTML. Elsewhere it is plain text without ``< >``, in
which neither a tag nor a mention such as ``<users/all>`` can be written.
"""

from datetime import datetime
from html import escape
from typing import Any

from checkend.notifications.channels import content, settings
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.channels.text import fit, fit_line, json_length
from checkend.notifications.message import Event, Notification, ProblemSummary

KIND = "google_chat"
LABEL = "Google Chat"
SECRETS: tuple[str, ...] = ("url",)

NAMES_LIMIT = 18_000  # bytes of all names in a digest


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    settings.check(settings.unknown(config, secrets, (), SECRETS), settings.url(secrets, "url"))


def build_request(
    notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
) -> OutgoingRequest:
    """Return the request that delivers the notification. Its body is far below the limit of 32 KB."""
    if notification.event is Event.TEST:
        widgets = [_paragraph(fit(content.text_of_test(notification), content.LINE_LIMIT, _html))]
    elif notification.event is Event.DIGEST:
        widgets = _digest(notification)
    else:
        widgets = _problem(notification)
    if notification.url:
        button = {"text": content.link_label(notification), "onClick": _open(notification.url)}
        widgets.append({"buttonList": {"buttons": [button]}})
    card = {
        "header": {"title": fit_line(notification.headline, content.TITLE_LIMIT, _plain)},
        "sections": [{"widgets": widgets}],
    }
    payload = {
        "fallbackText": fit_line(notification.title, content.TITLE_LIMIT, _plain),
        "cardsV2": [{"cardId": "notification", "card": card}],
    }
    return content.json_request(secrets["url"], payload)


def _problem(notification: Notification) -> list[dict[str, Any]]:
    problem = notification.problems[0]
    widgets = []
    if problem.error_class.strip():
        widgets.append(_paragraph(f"<b>{fit_line(problem.error_class, content.LINE_LIMIT, _html)}</b>"))
    if problem.message.strip():
        widgets.append(_paragraph(fit(problem.message.strip(), content.MESSAGE_LIMIT, _html)))
    widgets += [
        _labeled(label, fit(value, content.VALUE_LIMIT, _html))
        for label, value in content.facts(notification.app, problem)
    ]
    if frames := content.frames(problem):
        widgets.append(_paragraph("<br>".join(fit(frame, content.LINE_LIMIT, _html) for frame in frames)))
    return widgets


def _digest(notification: Notification) -> list[dict[str, Any]]:
    widgets = [_digest_entry(problem) for problem in notification.problems[: content.DIGEST_PROBLEMS]]
    names = content.other_problems(notification, NAMES_LIMIT, _html, length=json_length)
    if names:
        widgets.append(_paragraph(content.SEPARATOR.join(names)))
    more = content.and_more(notification)
    return [*widgets, _paragraph(more)] if more else widgets


def _digest_entry(problem: ProblemSummary) -> dict[str, Any]:
    title = fit_line(content.class_and_message(problem), content.LINE_LIMIT, _html)
    widget = _labeled(content.occurrences(problem), title)
    if problem.url:
        widget["decoratedText"]["onClick"] = _open(problem.url)
    return widget


def _paragraph(html: str) -> dict[str, Any]:
    return {"textParagraph": {"text": html}}


def _labeled(label: str, html: str) -> dict[str, Any]:
    return {"decoratedText": {"topLabel": label, "text": html, "wrapText": True}}


def _open(url: str) -> dict[str, Any]:
    return {"openLink": {"url": url}}


def _html(text: str) -> str:
    return escape(text, quote=False).replace("\n", "<br>")


def _plain(text: str) -> str:
    return text.replace("<", "\u2039").replace(">", "\u203a")  # single angle quotation marks
