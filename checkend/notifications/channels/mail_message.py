"""Mail about problems: plain text with an HTML alternative, threaded by problem. Pure.

Text from reports is escaped in the HTML part, and put on one line in headers, which therefore cannot be injected.
"""

import re
from collections.abc import Iterable
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime

from markupsafe import Markup

from checkend.notifications.channels import content
from checkend.notifications.channels.text import fit, fit_line
from checkend.notifications.message import Event, Notification, ProblemSummary

SUBJECT_LIMIT = 180  # email.message may add a space where it folds a line between ASCII and other text
MESSAGE_LIMIT = 10_000
VALUE_LIMIT = 500
NAMES_LIMIT = 50_000

_UNSUBSCRIBE = "Stop these emails"
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;color:#1f2933"
_MONOSPACE = "font-family:Menlo,Consolas,monospace;font-size:13px"
_BOX = f"{_MONOSPACE};margin:0 0 20px;padding:12px;background:#f5f7fa;white-space:pre-wrap;overflow-wrap:anywhere"
_PAGE = Markup(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>\n'
    '<body style="margin:0;padding:24px;background:#ffffff;{font}">\n'
    '<div style="max-width:640px;margin:0 auto;font-size:15px;line-height:1.5">\n'
    '<h1 style="margin:0 0 16px;font-size:20px;line-height:1.3;overflow-wrap:anywhere">{title}</h1>\n'
    "{body}\n</div></body></html>\n"
)
_FACT = Markup(
    '<tr><th align="left" style="padding:3px 16px 3px 0;font-weight:normal;color:#616e7c;white-space:nowrap;'
    'vertical-align:top">{}</th><td dir="auto" style="padding:3px 0;overflow-wrap:anywhere">{}</td></tr>'
)
_BUTTON = Markup(
    '<p style="margin:0 0 20px"><a href="{}" style="display:inline-block;padding:10px 18px;border-radius:4px;'
    'background:#1f5fbf;color:#ffffff;text-decoration:none">{}</a></p>'
)
_FOOTER = Markup('<p style="margin:0;font-size:13px"><a href="{}" style="color:#616e7c">{}</a></p>')


class _UnfoldedHeader(UnstructuredHeader, BaseHeader):
    """Header on one line. Folded, a long URL or id would become encoded words, which mail clients do not decode."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
for _name in ("list-unsubscribe", "references", "in-reply-to"):
    _HEADERS.map_to_type(_name, _UnfoldedHeader)
_POLICY = EmailPolicy(header_factory=_HEADERS)


def build_message(
    notification: Notification, sender: str, recipient: str, *, host: str, unsubscribe_url: str = ""
) -> EmailMessage:
    """Return the mail to one recipient, with the same id on every attempt. ``host`` is the host name of this server.

    Raises `ValueError` if the sender, the recipient or the URL contains a line break.
    """
    message = EmailMessage(_POLICY)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = _subject(notification)
    message["Date"] = format_datetime(notification.created_at)
    message["Message-ID"] = _message_id(notification.id, host)
    if len(notification.problems) == 1 and notification.event is not Event.DIGEST:
        # No mail has this id: it is the parent of all mails about the problem.
        thread = _message_id(f"app-{notification.app.id}-problem-{notification.problems[0].id}", host)
        message["In-Reply-To"] = message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    if unsubscribe_url:
        message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(_text(notification, unsubscribe_url))
    message.add_alternative(str(_html(notification, unsubscribe_url)), subtype="html")
    return message


def _subject(notification: Notification) -> str:
    """Return one line, the same for all mails about a problem: Gmail only threads mails with the same subject."""
    if notification.event in (Event.DIGEST, Event.TEST):
        return fit_line(notification.headline, SUBJECT_LIMIT)
    problem = notification.problems[0]
    culprit = f" in {problem.culprit}" if problem.culprit.strip() else ""
    number = f" (#{problem.id})"
    subject = f"[{fit_line(notification.app.name, 60)}] {problem.error_class}{culprit}"
    return fit_line(subject, SUBJECT_LIMIT - len(number)) + number


def _message_id(name: str, host: str) -> str:
    return f"<{_dot_atom(name)}@{_dot_atom(host) or 'localhost'}>"


def _dot_atom(text: str) -> str:
    return ".".join(part for part in re.sub("[^A-Za-z0-9._-]", "-", text).split(".") if part)


def _text(notification: Notification, unsubscribe_url: str) -> str:
    paragraphs = [fit_line(notification.title, SUBJECT_LIMIT)]
    if notification.event is Event.TEST:
        paragraphs.append(fit_line(content.text_of_test(notification), VALUE_LIMIT))
    elif notification.event is Event.DIGEST:
        paragraphs += [_text_of_digest_entry(problem) for problem in _digest_problems(notification)]
        paragraphs.append("\n".join(content.other_problems(notification, NAMES_LIMIT)))
        paragraphs.append(content.and_more(notification))
    else:
        problem = notification.problems[0]
        paragraphs += [
            fit(problem.message.strip(), MESSAGE_LIMIT),
            "\n".join(f"{label + ':':<13}{value}" for label, value in _facts(notification, problem)),
            "\n".join(f"    {frame}" for frame in content.frames(problem)),
        ]
    if notification.url:
        paragraphs.append(f"{content.link_label(notification)}: {notification.url}")
    if unsubscribe_url:
        paragraphs.append(f"-- \n{_UNSUBSCRIBE}: {unsubscribe_url}")
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _text_of_digest_entry(problem: ProblemSummary) -> str:
    lines = [
        fit_line(content.class_and_message(problem), VALUE_LIMIT),
        f"    {_counts(problem)}",
        f"    {problem.url}" if problem.url else "",
    ]
    return "\n".join(line for line in lines if line)


def _html(notification: Notification, unsubscribe_url: str) -> Markup:
    parts: list[Markup] = []
    if notification.event is Event.TEST:
        parts.append(Markup("<p>{}</p>").format(fit_line(content.text_of_test(notification), VALUE_LIMIT)))
    elif notification.event is Event.DIGEST:
        parts += [_html_of_digest_entry(problem) for problem in _digest_problems(notification)]
        if names := content.other_problems(notification, NAMES_LIMIT):
            lines = Markup("<br>").join(names)
            parts.append(Markup('<p dir="auto" style="{}">{}</p>').format(f"{_MONOSPACE};margin:0 0 14px", lines))
        if more := content.and_more(notification):
            parts.append(Markup("<p>{}</p>").format(more))
    else:
        parts += _html_of_problem(notification, notification.problems[0])
    if notification.url:
        parts.append(_BUTTON.format(notification.url, content.link_label(notification)))
    if unsubscribe_url:
        parts.append(_FOOTER.format(unsubscribe_url, _UNSUBSCRIBE))
    title = fit_line(notification.title, SUBJECT_LIMIT)
    return _PAGE.format(title=title, font=_FONT, body=Markup("\n").join(parts))


def _html_of_problem(notification: Notification, problem: ProblemSummary) -> Iterable[Markup]:
    box = Markup('<pre dir="auto" style="{}">{}</pre>')
    if problem.message.strip():
        yield box.format(_BOX, fit(problem.message.strip(), MESSAGE_LIMIT))
    rows = Markup("\n").join(_FACT.format(label, value) for label, value in _facts(notification, problem))
    yield Markup(
        '<table role="presentation" style="margin:0 0 20px;border-spacing:0;font-size:15px">{}</table>'
    ).format(rows)
    if frames := content.frames(problem):
        yield box.format(_BOX, "\n".join(frames))


def _html_of_digest_entry(problem: ProblemSummary) -> Markup:
    title = Markup('<span style="{}">{}</span>').format(
        _MONOSPACE, fit_line(content.class_and_message(problem), VALUE_LIMIT)
    )
    if problem.url:
        title = Markup('<a href="{}" style="color:#1f5fbf">{}</a>').format(problem.url, title)
    entry = Markup(
        '<p dir="auto" style="margin:0 0 14px;overflow-wrap:anywhere">{}<br>'
        '<span style="font-size:13px;color:#616e7c">{}</span></p>'
    )
    return entry.format(title, _counts(problem))


def _digest_problems(notification: Notification) -> tuple[ProblemSummary, ...]:
    return notification.problems[: content.DIGEST_PROBLEMS]


def _facts(notification: Notification, problem: ProblemSummary) -> list[tuple[str, str]]:
    return [(label, fit(value, VALUE_LIMIT)) for label, value in content.facts(notification.app, problem)]


def _counts(problem: ProblemSummary) -> str:
    return f"{content.occurrences(problem)}, last seen {content.exact_time(problem.last_seen_at)}"
