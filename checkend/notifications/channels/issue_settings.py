"""What the kinds of channels for issue trackers have in common: checks of settings, and of the URLs of issues."""

import re
from typing import Any
from urllib.parse import urlsplit

from checkend.notifications.channels import settings

MAX_LABELS = 20
_TOKEN = re.compile("[!-~]{1,500}")
_LABEL = re.compile(r"[^,\x00-\x1f\x7f]{1,50}")


def check(
    config: dict[str, Any], secrets: dict[str, Any], target: str, pattern: re.Pattern[str], expected: str
) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings; ``target`` names the repository."""
    settings.check(
        settings.unknown(config, secrets, (target, "labels", "server"), ("token",)),
        settings.text(config, target, pattern, expected),
        settings.text(secrets, "token", _TOKEN, "an access token without spaces"),
        _check_labels(config.get("labels")),
        _check_server(config) if config.get("server") else [],
    )


def web_url(value: object) -> str:
    """Return the URL of an issue as the tracker responded it; "" unless it is http or https."""
    if not isinstance(value, str) or len(value) > settings.URL_LIMIT or not re.fullmatch("[!-~]+", value):
        return ""
    return value if urlsplit(value).scheme in ("http", "https") else ""


def issue_number(value: object) -> int:
    """Return the number of an issue as the tracker responded it. Raises `ValueError` if it is none."""
    if not isinstance(value, int) or not 0 < value < 2**53:
        raise ValueError("not the number of an issue")
    return value


def _check_labels(labels: object) -> list[str]:
    if labels is None:
        return []
    if not isinstance(labels, list) or len(labels) > MAX_LABELS:
        return [f"'labels' must be a list of at most {MAX_LABELS} labels."]
    if not all(isinstance(label, str) and _LABEL.fullmatch(label) for label in labels):
        return ["'labels' must each have 1 to 50 characters, without commas and line breaks."]
    return []


def _check_server(config: dict[str, Any]) -> list[str]:
    if messages := settings.url(config, "server", ("https", "http")):
        return messages
    parts = urlsplit(config["server"])
    return ["'server' must not contain '?' or '#'."] if parts.query or parts.fragment else []
