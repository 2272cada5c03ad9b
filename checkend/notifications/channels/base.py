"""What every kind of channel has in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from checkend.exceptions import CheckendError
from checkend.notifications.message import Notification


class ChannelConfigError(CheckendError):
    """A channel's settings are invalid; ``messages`` says what to fix, one sentence per setting."""

    def __init__(self, *messages: str) -> None:
        super().__init__(" ".join(messages))
        self.messages = list(messages)


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """An HTTP request that delivers a notification. ``url`` and ``headers`` may hold secrets: never log them."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class IssueLink:
    """What is known about the issue of a notification: its number, once it was created; else the marker in its body.

    ``since`` is a time before which the issue cannot have been created.
    """

    marker: str
    since: datetime
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as its tracker returns it. ``url`` is http or https, or ""."""

    number: int
    url: str
    body: str
    is_closed: bool


class ChannelKind(Protocol):
    """A kind of channel. Implemented by a module, not a class."""

    KIND: str
    LABEL: str
    SECRETS: tuple[str, ...]  # the names of the settings that are encrypted and never shown again

    def validate(self, config: dict[str, Any], secrets: dict[str, Any]) -> None:
        """Raise `ChannelConfigError` for unknown, missing or malformed settings."""


class HttpChannel(ChannelKind, Protocol):
    """A kind of channel that delivers by one HTTP request."""

    def build_request(
        self, notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
    ) -> OutgoingRequest:
        """Return the request that delivers the notification. Pure; ``now`` is the time of the attempt."""


class IssueTracker(ChannelKind, Protocol):
    """A kind of channel that creates issues, with several requests per notification."""

    DEFAULT_SERVER: str
    BODY_LIMIT: int  # in UTF-16 code units
    MAX_ISSUES: int  # to look through for a marker
    PER_PAGE: int  # of these issues, unless they are too large for a response

    def find(
        self, config: dict[str, Any], secrets: dict[str, Any], since: datetime, page: int, per_page: int
    ) -> OutgoingRequest:
        """Return the request that lists the newest issues since a time."""

    def read(self, config: dict[str, Any], secrets: dict[str, Any], number: int) -> OutgoingRequest:
        """Return the request for an issue."""

    def create(self, config: dict[str, Any], secrets: dict[str, Any], title: str, body: str) -> OutgoingRequest:
        """Return the request that creates an issue."""

    def comments(
        self, config: dict[str, Any], secrets: dict[str, Any], number: int, since: datetime
    ) -> OutgoingRequest:
        """Return the request for an issue's latest comments."""

    def comment(self, config: dict[str, Any], secrets: dict[str, Any], number: int, body: str) -> OutgoingRequest:
        """Return the request that adds a comment."""

    def set_state(
        self, config: dict[str, Any], secrets: dict[str, Any], number: int, *, closed: bool
    ) -> OutgoingRequest:
        """Return the request that closes or reopens an issue."""

    def parse(self, resource: dict[str, Any]) -> Issue:
        """Return the issue in a response. Raises `KeyError`, `TypeError` or `ValueError` if it is malformed."""
