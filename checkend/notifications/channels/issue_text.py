"""The text of issues and comments, in Markdown as GitHub and GitLab read it. Pure functions.

Text from reports is only put into code, where neither service finds links, mentions, references or closing keywords.
GitLab looks for quick actions such as ``/close`` at the start of lines with its own, simpler idea of code blocks: so
no line break is followed by a slash, and no text contains several backticks in a row. In titles, an invisible U+2060
follows the characters that begin a mention or a reference.
"""

import re

from checkend.notifications.channels import content
from checkend.notifications.channels.text import fit, fit_line, one_line, utf16_length
from checkend.notifications.message import Event, Notification, ProblemSummary

TITLE_LIMIT = 250
MESSAGE_LIMIT = 10_000
VALUE_LIMIT = 500
MIN_NAME_LIMIT = 40  # of a problem in a digest
_RESERVE = 500  # for what follows the problems of a digest

_REFERENCES = re.compile(r"([@#!~%$&*^\[`]|:(?=//))")
_SLASHES = re.compile(r"^([^\S\n]*)/", re.MULTILINE)
_JOINER = "\u2060"


def marker(kind: str, identifier: str) -> str:
    """Return the comment, invisible to readers, by which Checkend recognizes what it wrote."""
    return f"<!-- checkend:{kind}:{identifier} -->"


def title(notification: Notification) -> str:
    """Return the title of a new issue."""
    if notification.event is Event.TEST or len(notification.problems) > 1:
        return fit_line(notification.headline, TITLE_LIMIT, _escape_title)
    return fit_line(content.class_and_message(notification.problems[0]), TITLE_LIMIT, _escape_title)


def body(notification: Notification, issue_marker: str | None, limit: int) -> str:
    """Return the body of an issue, or that of a comment without ``issue_marker``, in at most ``limit`` units."""
    link = f"[{content.link_label(notification)}]({notification.url})" if notification.url else ""
    markers = [marker("message", notification.id)]
    if issue_marker:
        markers.insert(0, marker("issue", issue_marker))
    if notification.event is Event.DIGEST:
        middle = _digest(notification, limit - _RESERVE - len(link))
    elif notification.event is Event.TEST:
        middle = _block(content.text_of_test(notification))
    else:
        middle = _block(_problem(notification))
    headline = _inline(fit_line(notification.headline, VALUE_LIMIT))
    return "\n\n".join(part for part in (headline, middle, link, "\n".join(markers)) if part)


def _problem(notification: Notification) -> str:
    problem = notification.problems[0]
    parts = [
        fit_line(problem.error_class, VALUE_LIMIT),
        fit(problem.message.strip(), MESSAGE_LIMIT),
        "\n".join(f"{label}: {fit(value, VALUE_LIMIT)}" for label, value in content.facts(notification.app, problem)),
        "\n".join(f"at {one_line(frame)}" for frame in content.frames(problem)),
    ]
    return "\n\n".join(part for part in parts if part)


def _digest(notification: Notification, limit: int) -> str:
    """Return a list of the problems, as many as fit; the last line says how many are missing.

    Each problem gets an equal share of the limit, so that long messages do not displace other problems.
    """
    lines, share = list[str](), limit // len(notification.problems)
    for problem in notification.problems:
        line = _digest_line(problem, share)
        limit -= utf16_length(line) + 1
        if limit < 0:
            break
        lines.append(line)
    if rest := notification.count - len(lines):
        lines.append(f"\nand {rest:,} more")
    return "\n".join(lines)


def _digest_line(problem: ProblemSummary, share: int) -> str:
    name = f"[Problem {problem.id}]({problem.url})" if problem.url else f"Problem {problem.id}"
    start, end = f"- {name}: ", f" ({content.occurrences(problem)})"
    text_limit = min(VALUE_LIMIT, max(MIN_NAME_LIMIT, share - len(start) - len(end) - 3))  # 2 backticks, a line break
    return start + _inline(fit_line(content.class_and_message(problem), text_limit)) + end


def _block(text: str) -> str:
    return "```text\n" + _SLASHES.sub(rf"\1{_JOINER}/", text.replace("`", f"`{_JOINER}")) + "\n```"


def _inline(text: str) -> str:
    return "`" + text.replace("`", "\u02cb") + "`"


def _escape_title(text: str) -> str:
    return _REFERENCES.sub(rf"\1{_JOINER}", text)
