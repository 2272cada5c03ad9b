"""What every kind of channel has in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


class HttpChannel(Protocol):
    """A kind of channel that delivers by one HTTP request. Implemented by a module, not a class."""

    KIND: str
    LABEL: str
    SECRETS: tuple[str, ...]

    @staticmethod
    def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
        """Raise `ChannelConfigError` for unknown, missing or malformed settings."""

    @staticmethod
    def build_request(notification: Notification, config: dict[str, Any], secrets: dict[str, Any]) -> OutgoingRequest:
        """Return the request that delivers the notification. Pure."""
