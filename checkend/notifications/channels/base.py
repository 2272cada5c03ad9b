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


class HttpChannel(Protocol):
    """A kind of channel that delivers by one HTTP request. Implemented by a module, not a class."""

    KIND: str
    LABEL: str
    SECRETS: tuple[str, ...]  # the names of the settings that are encrypted and never shown again

    def validate(self, config: dict[str, Any], secrets: dict[str, Any]) -> None:
        """Raise `ChannelConfigError` for unknown, missing or malformed settings."""

    def build_request(
        self, notification: Notification, config: dict[str, Any], secrets: dict[str, Any], *, now: datetime
    ) -> OutgoingRequest:
        """Return the request that delivers the notification. Pure; ``now`` is the time of the attempt."""
