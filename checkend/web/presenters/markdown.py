"""Problems and notices as Markdown, for an issue tracker or a message. Pure except for the links."""

import re

from checkend.config.urls import full_url
from checkend.models import Notice, Problem
from checkend.web.filters import exact_time
from checkend.web.presenters.mutes import describe_mute
from checkend.web.presenters.stacktrace import present_stacktrace
from checkend.web.sanitize import escape_controls, pretty_json, truncate_line

MAX_MESSAGE_LENGTH = 4_000
MAX_LINE_LENGTH = 500
MAX_FRAMES = 60
MAX_JSON_LENGTH = 8_000


def problem_markdown(problem: Problem, latest: Notice | None) -> str:
    """Return the problem's message and figures, and the stack trace of its latest notice."""
    app = problem.app
    facts = [
        ("App", app.name),
        ("Status", describe_mute(problem).lower() if problem.muted else problem.status),
        ("Occurrences", f"{problem.occurrences:,}"),
        ("First seen", exact_time(problem.first_noticed_at)),
        ("Last seen", exact_time(problem.last_noticed_at)),
        ("Location", problem.location),
        ("Tags", ", ".join(tag.name for tag in problem.tags)),
        ("Link", full_url("problem.show", problem_id=problem.id)),
    ]
    parts = [_title(problem.error_class), _quote(problem.error_message), _list(facts)]
    if latest is not None:
        parts += _stack_trace(latest)
    return _join(parts)


def notice_markdown(notice: Notice) -> str:
    """Return the notice's message, time and stack trace, and its request, context, user and notifier as JSON."""
    facts = [
        ("App", notice.problem.app.name),
        ("Occurred", exact_time(notice.occurred_at)),
        ("Link", full_url("notice.show", problem_id=notice.problem_id, notice_id=notice.id)),
    ]
    parts = [_title(notice.error_class), _quote(notice.error_message), _list(facts), *_stack_trace(notice)]
    for name, value in notice.details.items():
        if value:
            parts += [f"## {name.capitalize()}", _fence(_truncate(pretty_json(value), MAX_JSON_LENGTH), "json")]
    return _join(parts)


def _title(error_class: str) -> str:
    return f"# {_escape_line(error_class, 200)}"


def _quote(message: str | None) -> str:
    if not message or not message.strip():
        return ""
    lines = _truncate(escape_controls(message), MAX_MESSAGE_LENGTH).split("\n")
    return "\n".join(f"> {_escape(line)}" if line.strip() else ">" for line in lines)


def _list(facts: list[tuple[str, str]]) -> str:
    return "\n".join(f"- **{name}:** {_escape_line(value, 300)}" for name, value in facts if value)


def _stack_trace(notice: Notice) -> list[str]:
    stack_trace = present_stacktrace(notice.raw_backtrace, notice.notifier)
    if not stack_trace.total:
        return []
    lines = [
        truncate_line(line, MAX_LINE_LENGTH) if len(line) > MAX_LINE_LENGTH else line
        for line in escape_controls(stack_trace.text).split("\n")
    ]
    rest = stack_trace.total - min(len(lines), MAX_FRAMES)
    tail = [f"  … {rest:,} more frames"] if rest else []
    return ["## Stack trace", _fence("\n".join(lines[:MAX_FRAMES] + tail))]


def _truncate(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}\n… ({len(text) - length:,} more characters)"


def _escape_line(text: str, length: int) -> str:
    return _escape(truncate_line(escape_controls(text), length))


def _escape(text: str) -> str:
    """Escape ``text`` so that Markdown renders it literally; plain links stay links."""
    if re.fullmatch(r"https?://[\w./:%-]+", text):
        return text
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)


def _fence(text: str, language: str = "") -> str:
    """Return ``text`` as a code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _join(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
