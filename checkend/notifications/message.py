"""What a notification says, independent of the channel that delivers it. Pure: no Flask, no database."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Event(StrEnum):
    """Why a notification is sent. The value is the name in a channel's ``events`` and in its deliveries."""

    NEW_PROBLEM = "new_problem"
    REOCCURRENCE = "reoccurrence"
    THRESHOLD = "threshold"
    SPIKE = "spike"
    UNMUTED = "unmuted"
    DIGEST = "digest"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class AppSummary:
    """The app that a notification is about. ``url`` is the dashboard's list of its problems, "" without a base URL."""

    id: int
    name: str
    slug: str
    url: str


@dataclass(frozen=True, slots=True)
class ProblemSummary:
    """A problem as a message shows it. Everything but the counts, times and URL comes from a report: escape it.

    ``frames`` holds the first in-app stack frames, innermost first, as text ("app/models/order.rb:41 Order#total").
    ``url`` is the problem's page in the dashboard, "" when the server does not know its base URL. ``resource`` is the
    problem as the Management API shows it, for webhooks. ``remark`` is a label and a text about the event, if it needs
    one, such as why a mute ended.
    """

    id: int
    error_class: str
    message: str
    culprit: str
    environment: str
    release: str
    occurrences: int
    first_seen_at: datetime
    last_seen_at: datetime
    url: str
    frames: tuple[str, ...] = ()
    resource: dict[str, Any] = field(default_factory=dict)
    notice: dict[str, Any] = field(default_factory=dict)
    remark: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one channel. ``id`` is the same on every attempt to deliver it.

    All events but `Event.DIGEST` and `Event.TEST` are about exactly one problem. A digest is about ``count``
    problems, of which ``problems`` holds the first ones; ``period_minutes`` is the time in which they came up. A test
    has no problem. ``url`` is the page to open: the problem, or the filtered list. ``details`` are those of the event:

    - threshold: ``occurrences``
    - spike: ``state`` (started or ended), and the ``occurrences`` within the last ``minutes``
    - unmuted: ``reason`` (until, occurrences, rate or release), with ``occurrences``, ``minutes`` or ``release``
    - digest: ``events``, the number of each
    """

    id: str
    event: Event
    app: AppSummary
    created_at: datetime
    problems: tuple[ProblemSummary, ...] = ()
    count: int = 1
    period_minutes: int = 0
    url: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return the headline with the problem's class, unescaped, e.g. "New problem in Shop: NoMethodError"."""
        if self.event in (Event.DIGEST, Event.TEST):
            return self.headline
        return f"{self._headline(', ')}: {self.problems[0].error_class}"

    @property
    def headline(self) -> str:
        """Return the headline without any text from a report, unescaped, e.g. "New problem in Shop"."""
        return self._headline(": ")

    def _headline(self, separator: str) -> str:
        app, details = self.app.name, self.details
        if self.event is Event.TEST:
            return f"Test notification from {app}"
        if self.event is Event.DIGEST:
            return f"{self._collected} in {app} in {_minutes(self.period_minutes)}"
        if self.event is Event.THRESHOLD and details:
            return f"Problem reached {details['occurrences']:,} occurrences in {app}"
        if self.event is Event.SPIKE and details:
            is_over = details["state"] == "ended"
            return f"Spike ended in {app}" if is_over else f"Spike in {app}{separator}{_rate(details)}"
        return f"{_HEADLINES[self.event]} in {app}"

    @property
    def _collected(self) -> str:
        """Return what a digest is about, such as "37 new problems"."""
        events: dict[str, int] = self.details.get("events", {})
        problems = "1 problem" if self.count == 1 else f"{self.count:,} problems"
        if not events:
            return problems
        if set(events) == {Event.NEW_PROBLEM}:
            return f"{self.count:,} new problems"
        return f"{sum(events.values()):,} notifications about {problems}"


def remark_on(event: Event, details: dict[str, Any]) -> tuple[str, str]:
    """Return the label and the text that explain an event with ``details``; both are empty if it needs none."""
    if event is Event.SPIKE and details.get("state") == "ended":
        return "Now", _rate(details)
    if event is not Event.UNMUTED or not details:
        return "", ""
    match details["reason"]:
        case "occurrences":
            return "Mute ended", f"it reached {details['occurrences']:,} occurrences"
        case "rate":
            return "Mute ended", _rate(details)
        case "release":
            return "Mute ended", f"it occurred in release {details['release']}"
        case _:
            return "Mute ended", "the set time has passed"


def _rate(details: dict[str, Any]) -> str:
    """Return "312 occurrences in 5 minutes"."""
    count = details["occurrences"]
    occurrences = "1 occurrence" if count == 1 else f"{count:,} occurrences"
    return f"{occurrences} in {_minutes(details['minutes'])}"


def _minutes(minutes: int) -> str:
    return "a minute" if minutes <= 1 else f"{minutes:,} minutes"


_HEADLINES = {
    Event.NEW_PROBLEM: "New problem",
    Event.REOCCURRENCE: "Resolved problem occurred again",
    Event.THRESHOLD: "Problem keeps occurring",
    Event.SPIKE: "Spike",
    Event.UNMUTED: "Mute ended",
}
