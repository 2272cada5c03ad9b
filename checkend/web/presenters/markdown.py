"""Problems and notices as Markdown, to be pasted into an issue or sent to a colleague. Pure but for the links."""

import re

from checkend.models import Notice, Problem
from checkend.web.filters import exact_time
from checkend.web.presenters.stacktrace import present_stacktrace
from checkend.web.sanitize import escape_controls, pretty_json, truncate_line
from checkend.web.urls import full_url

MESSAGE = 4_000
LINE = 500
FRAMES = 60
PART = 8_000


def of_problem(problem: Problem, newest: Notice | None) -> str:
    """The problem: what, where, how often; and its newest notice's backtrace."""
    app = problem.app
    facts = [
        ("App", app.name),
        ("Status", problem.status),
        ("Occurrences", f"{problem.occurrences:,}"),
        ("First seen", exact_time(problem.first_noticed_at)),
        ("Last seen", exact_time(problem.last_noticed_at)),
        ("Location", problem.location),
        ("Tags", ", ".join(tag.name for tag in problem.tags)),
        ("Link", full_url("problem.show", problem_id=problem.id)),
    ]
    parts = [_title(problem.error_class), _quote(problem.error_message), _list(facts)]
    if newest is not None:
        parts += _backtrace(newest)
    return _joined(parts)


def of_notice(notice: Notice) -> str:
    """The notice: what, when, its backtrace, and each part of what was sent along."""
    facts = [
        ("App", notice.problem.app.name),
        ("Occurred", exact_time(notice.occurred_at)),
        ("Link", full_url("notice.show", problem_id=notice.problem_id, notice_id=notice.id)),
    ]
    parts = [_title(notice.error_class), _quote(notice.error_message), _list(facts), *_backtrace(notice)]
    for name, value in notice.details.items():
        if value:
            parts += [f"## {name.capitalize()}", _fenced(_cut_block(pretty_json(value), PART), "json")]
    return _joined(parts)


def _title(error_class: str) -> str:
    return f"# {_plain(error_class, 200)}"


def _quote(message: str | None) -> str:
    if not message or not message.strip():
        return ""
    lines = _cut_block(escape_controls(message), MESSAGE).split("\n")
    return "\n".join(f"> {_escaped(line)}" if line.strip() else ">" for line in lines)


def _list(facts: list[tuple[str, str]]) -> str:
    return "\n".join(f"- **{name}:** {_plain(value, 300)}" for name, value in facts if value)


def _backtrace(notice: Notice) -> list[str]:
    shown = present_stacktrace(notice.raw_backtrace, notice.notifier)
    if not shown.total:
        return []
    lines = [
        truncate_line(line, LINE) if len(line) > LINE else line for line in escape_controls(shown.text).split("\n")
    ]
    left = shown.total - min(len(lines), FRAMES)
    tail = [f"  … {left:,} more frames"] if left else []
    return ["## Backtrace", _fenced("\n".join(lines[:FRAMES] + tail))]


def _cut_block(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}\n… ({len(text) - length:,} more characters)"


def _plain(text: str, length: int) -> str:
    return _escaped(truncate_line(escape_controls(text), length))


def _escaped(text: str) -> str:
    """``text`` so that Markdown shows it as it is: no markup, no HTML."""
    if re.fullmatch(r"https?://[\w./:%-]+", text):
        return text
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)


def _fenced(text: str, language: str = "") -> str:
    """``text`` in a fence that is longer than any within it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _joined(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
