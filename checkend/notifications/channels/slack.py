"""Slack, and servers with compatible incoming webhooks such as Mattermost.

Text from reports is only put into ``plain_text`` objects, which Slack does not format, and its ``& < >`` are escaped,
so that it can contain no mention, link or formatting.
"""

from datetime import datetime
from typing import Any

from checkend.notifications.channels import content, settings
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.channels.text import fit, fit_line
from checkend.notifications.message import Event, Notification, ProblemSummary

KIND = "slack"
LABEL = "Slack"
SECRETS: tuple[str, ...] = ("url",)

NAMES_LIMIT = 20_000  # of all names in a digest; a section has at most 3,000 characters
NAMES_PER_SECTION = 60

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    settings.check(settings.unknown(config, secrets, (), SECRETS), settings.url(secrets, "url"))


def build_request(
    notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
) -> OutgoingRequest:
    """Return the request that delivers the notification."""
    if notification.event is Event.TEST:
        blocks = [_section(content.text_of_test(notification))]
    elif notification.event is Event.DIGEST:
        blocks = _digest(notification)
    else:
        blocks = _problem(notification)
    payload = {
        "text": _fallback(notification),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "header", "text": _plain(fit_line(notification.title, content.TITLE_LIMIT, _escape))},
            *blocks,
            *_link(notification.url, content.link_label(notification)),
        ],
    }
    return content.json_request(secrets["url"], payload)


def _problem(notification: Notification) -> list[dict[str, Any]]:
    problem = notification.problems[0]
    blocks = [_section(problem.message)] if problem.message.strip() else []
    facts = content.facts(notification.app, problem)
    for start in range(0, len(facts), 5):  # a section has at most 10 fields, shown in two columns
        fields = []
        for label, value in facts[start : start + 5]:
            fields += [_mrkdwn(f"*{label}*"), _plain(fit(value, content.VALUE_LIMIT, _escape))]
        blocks.append({"type": "section", "fields": fields})
    if frames := content.frames(problem):
        blocks.append(_section("\n".join(frames)))
    return blocks


def _digest(notification: Notification) -> list[dict[str, Any]]:
    blocks = []
    for problem in notification.problems[: content.DIGEST_PROBLEMS]:
        blocks += [_section(fit_line(content.class_and_message(problem), content.LINE_LIMIT)), _context(problem)]
    names = content.other_problems(notification, NAMES_LIMIT, _escape)
    for start in range(0, len(names), NAMES_PER_SECTION):
        line = content.SEPARATOR.join(names[start : start + NAMES_PER_SECTION])
        blocks.append({"type": "section", "text": _plain(line)})
    if more := content.and_more(notification):
        blocks.append(_section(more))
    return blocks


def _context(problem: ProblemSummary) -> dict[str, Any]:
    elements = [_plain(content.occurrences(problem))]
    if culprit := fit_line(problem.culprit, content.VALUE_LIMIT, _escape):
        elements.append(_plain(culprit))
    if problem.url:
        elements.append(_mrkdwn(_anchor(problem.url, "Open")))
    return {"type": "context", "elements": elements}


def _fallback(notification: Notification) -> str:
    """Return what notifications on phones show, and clients that cannot display blocks."""
    lines = [fit_line(notification.title, content.TITLE_LIMIT, _escape)]
    if notification.event is Event.TEST:
        lines.append(fit(content.text_of_test(notification), content.LINE_LIMIT, _escape))
    for problem in notification.problems[: content.DIGEST_PROBLEMS]:
        text = content.class_and_message(problem) if notification.event is Event.DIGEST else problem.message
        lines.append(fit_line(text, content.LINE_LIMIT, _escape))
    rest = notification.count - len(notification.problems[: content.DIGEST_PROBLEMS])
    lines += [f"and {rest:,} more" if rest > 0 and notification.problems else "", _escape(notification.url)]
    return "\n".join(line for line in lines if line)


def _link(url: str, label: str) -> list[dict[str, Any]]:
    return [{"type": "section", "text": _mrkdwn(_anchor(url, label))}] if url else []


def _anchor(url: str, label: str) -> str:
    return f"<{_escape(url).replace('|', '%7C')}|{label}>"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _plain(fit(text, content.MESSAGE_LIMIT, _escape))}


def _plain(escaped: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": escaped, "emoji": False}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escape(text: str) -> str:
    return text.translate(_ENTITIES)
