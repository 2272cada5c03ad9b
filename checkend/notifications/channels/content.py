"""The parts that messages of all kinds of channels have in common, unescaped. Pure functions."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.channels.text import fit_line, one_line, utf16_length
from checkend.notifications.message import AppSummary, Event, Notification, ProblemSummary

# Chat messages are read at a glance: these limits, in UTF-16 code units, are below those of each service.
TITLE_LIMIT = 150
MESSAGE_LIMIT = 1_500
VALUE_LIMIT = 200
LINE_LIMIT = 300

DIGEST_PROBLEMS = 5  # that a digest shows in full; it names the others by id and class
NAME_LIMIT = 40
SEPARATOR = ", "
# How many problems fit into one digest of a kind, within its service's limits. Further ones start another digest.
DIGEST_CAPACITIES = {"webhook": 1_000, "email": 1_000, "gitlab": 1_000, "slack": 500, "teams": 400, "google_chat": 400}
DEFAULT_DIGEST_CAPACITY = 100  # for messages of 4,096 characters or bytes
FRAMES = 5


def exact_time(time: datetime) -> str:
    """Return ``time`` in UTC, such as "2024-01-15 10:30:05 UTC"."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def occurrences(problem: ProblemSummary) -> str:
    """Return "1 occurrence" or "1,234 occurrences"."""
    return "1 occurrence" if problem.occurrences == 1 else f"{problem.occurrences:,} occurrences"


def facts(app: AppSummary, problem: ProblemSummary) -> list[tuple[str, str]]:
    """Return the labels and values of a problem, without empty ones, each value on one line and not truncated."""
    pairs = [
        problem.remark,
        ("App", app.name),
        ("Environment", problem.environment),
        ("Release", problem.release),
        ("Culprit", problem.culprit),
        ("Occurrences", f"{problem.occurrences:,}"),
        ("First seen", exact_time(problem.first_seen_at)),
        ("Last seen", exact_time(problem.last_seen_at)),
    ]
    return [(label, line) for label, value in pairs if (line := one_line(value))]


def frames(problem: ProblemSummary) -> list[str]:
    """Return the first stack frames, each on one line and truncated."""
    return [fit_line(frame, VALUE_LIMIT) for frame in problem.frames[:FRAMES] if frame.strip()]


def class_and_message(problem: ProblemSummary) -> str:
    """Return "NoMethodError: undefined method 'total' for nil" on one line, not truncated and never empty."""
    lines = [line for text in (problem.error_class, problem.message) if (line := one_line(text))]
    return ": ".join(lines) or "(no class)"


def and_more(notification: Notification) -> str:
    """Return "and 32 more" for a digest about more problems than it names, else ""."""
    rest = notification.count - len(notification.problems)
    return f"and {rest:,} more" if notification.event is Event.DIGEST and rest > 0 else ""


def digest_capacity(kind: str) -> int:
    """Return how many problems a digest through a channel of this kind names at most."""
    return DIGEST_CAPACITIES.get(kind, DEFAULT_DIGEST_CAPACITY)


def other_problems(
    notification: Notification,
    limit: int,
    escape: Callable[[str], str] = str,
    *,
    length: Callable[[str], int] = utf16_length,
) -> list[str]:
    """Return names such as "#6 NoMethodError" of the problems that a digest does not show in full, escaped.

    Joined with `SEPARATOR`, they have at most ``limit`` units of ``length``; long ones are truncated for that.
    """
    others = notification.problems[DIGEST_PROBLEMS:]
    share = min(NAME_LIMIT, limit // max(len(others), 1) - len(SEPARATOR))
    return [fit_line(f"#{problem.id} {problem.error_class}", share, escape, length=length) for problem in others]


def link_label(notification: Notification) -> str:
    """Return the text of the link to the notification's page."""
    is_list = notification.event in (Event.DIGEST, Event.TEST)
    return "Open the list of problems" if is_list else "Open the problem"


def text_of_test(notification: Notification) -> str:
    """Return the text of a test notification."""
    return f"Notifications about problems in {one_line(notification.app.name)} arrive here."


def json_request(url: str, payload: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> OutgoingRequest:
    """Return a POST request of ``payload`` as JSON."""
    return OutgoingRequest(
        url, json_body(payload), {"Content-Type": "application/json; charset=utf-8"} | dict(headers or {})
    )


def json_body(payload: Mapping[str, Any]) -> bytes:
    """Return ``payload`` as JSON in UTF-8; U+FFFD replaces lone surrogates, which no receiver could decode."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
