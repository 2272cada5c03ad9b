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
    problem as the Management API shows it, for webhooks.
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


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one channel. ``id`` is the same on every attempt to deliver it.

    All events but `Event.DIGEST` and `Event.TEST` are about exactly one problem. A digest is about ``count``
    problems, of which ``problems`` holds the first ones; ``period_minutes`` is the time in which they came up. A test
    has no problem. ``url`` is the page to open: the problem, or the filtered list.
    """

    id: str
    event: Event
    app: AppSummary
    created_at: datetime
    problems: tuple[ProblemSummary, ...] = ()
    count: int = 1
    period_minutes: int = 0
    url: str = ""

    @property
    def title(self) -> str:
        """Return the headline with the problem's class, unescaped, e.g. "New problem in Shop: NoMethodError"."""
        if self.event in (Event.DIGEST, Event.TEST):
            return self.headline
        return f"{self.headline}: {self.problems[0].error_class}"

    @property
    def headline(self) -> str:
        """Return the headline without any text from a report, unescaped, e.g. "New problem in Shop"."""
        if self.event is Event.TEST:
            return f"Test notification from {self.app.name}"
        if self.event is Event.DIGEST:
            minutes = "a minute" if self.period_minutes <= 1 else f"{self.period_minutes} minutes"
            return f"{self.count} problems in {self.app.name} in {minutes}"
        return f"{_HEADLINES[self.event]} in {self.app.name}"


_HEADLINES = {
    Event.NEW_PROBLEM: "New problem",
    Event.REOCCURRENCE: "Resolved problem occurred again",
    Event.THRESHOLD: "Problem keeps occurring",
    Event.SPIKE: "Spike",
    Event.UNMUTED: "Mute ended",
}
