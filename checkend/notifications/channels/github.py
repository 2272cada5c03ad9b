"""GitHub issues, on github.com or GitHub Enterprise Server.

The search of GitHub lags behind, so an issue whose creation had no known outcome is looked for in the list of issues.
"""

import re
from datetime import datetime
from typing import Any

from checkend import clock
from checkend.notifications.channels import issue_settings
from checkend.notifications.channels.base import Issue, OutgoingRequest
from checkend.notifications.channels.content import json_body

KIND = "github"
LABEL = "GitHub"
SECRETS: tuple[str, ...] = ("token",)
DEFAULT_SERVER = "https://api.github.com"
BODY_LIMIT = 65_536
MAX_ISSUES = 40
PER_PAGE = 10

_REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    issue_settings.check(config, secrets, "repository", _REPOSITORY, "the owner and the name, such as acme/shop")


def find(config: dict[str, Any], secrets: dict[str, Any], since: datetime, page: int, per_page: int) -> OutgoingRequest:
    """Return the request that lists the newest issues that changed since a time."""
    query = f"?state=all&sort=created&direction=desc&since={clock.iso(since)}"
    return _request(config, secrets, "GET", f"{query}&per_page={per_page}&page={page}")


def read(config: dict[str, Any], secrets: dict[str, Any], number: int) -> OutgoingRequest:
    """Return the request for an issue."""
    return _request(config, secrets, "GET", f"/{number}")


def create(config: dict[str, Any], secrets: dict[str, Any], title: str, body: str) -> OutgoingRequest:
    """Return the request that creates an issue."""
    labels = {"labels": config["labels"]} if config.get("labels") else {}
    return _request(config, secrets, "POST", "", {"title": title, "body": body} | labels)


def comments(config: dict[str, Any], secrets: dict[str, Any], number: int, since: datetime) -> OutgoingRequest:
    """Return the request for an issue's comments since a time."""
    return _request(config, secrets, "GET", f"/{number}/comments?since={clock.iso(since)}&per_page=30")


def comment(config: dict[str, Any], secrets: dict[str, Any], number: int, body: str) -> OutgoingRequest:
    """Return the request that adds a comment."""
    return _request(config, secrets, "POST", f"/{number}/comments", {"body": body})


def set_state(config: dict[str, Any], secrets: dict[str, Any], number: int, *, closed: bool) -> OutgoingRequest:
    """Return the request that closes or reopens an issue."""
    return _request(config, secrets, "PATCH", f"/{number}", {"state": "closed" if closed else "open"})


def parse(resource: dict[str, Any]) -> Issue:
    """Return the issue in a response."""
    return Issue(
        issue_settings.issue_number(resource["number"]),
        issue_settings.web_url(resource["html_url"]),
        str(resource.get("body") or ""),
        resource["state"] == "closed",
    )


def _request(
    config: dict[str, Any], secrets: dict[str, Any], method: str, path: str, payload: dict[str, Any] | None = None
) -> OutgoingRequest:
    server = (config.get("server") or DEFAULT_SERVER).rstrip("/")
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {secrets['token']}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    if payload is not None:
        headers["Content-Type"] = "application/json; charset=utf-8"
    body = b"" if payload is None else json_body(payload)
    return OutgoingRequest(f"{server}/repos/{config['repository']}/issues{path}", body, headers, method)
