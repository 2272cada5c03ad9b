"""GitLab issues, on gitlab.com or a server of one's own.

GitLab's search does not see comments in HTML, such as the marker of an issue. An issue whose creation had no known
outcome is looked for in the list of those that the token's user created.
"""

import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

from checkend import clock
from checkend.notifications.channels import issue_settings
from checkend.notifications.channels.base import Issue, OutgoingRequest
from checkend.notifications.channels.content import json_body

KIND = "gitlab"
LABEL = "GitLab"
SECRETS: tuple[str, ...] = ("token",)
DEFAULT_SERVER = "https://gitlab.com"
BODY_LIMIT = 150_000  # below GitLab's 1,000,000, so that an issue fits the limit of a response when JSON escapes it
MAX_ISSUES = 40
PER_PAGE = 10

_PROJECT = re.compile(r"[0-9]{1,18}|(?<![A-Za-z0-9_.-])[A-Za-z0-9_.-]{1,255}(/[A-Za-z0-9_.-]{1,255}){1,20}")


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings."""
    issue_settings.check(config, secrets, "project", _PROJECT, "the path of a project, such as acme/shop, or its ID")


def find(config: dict[str, Any], secrets: dict[str, Any], since: datetime, page: int, per_page: int) -> OutgoingRequest:
    """Return the request that lists the newest issues by the token's user."""
    query = f"?scope=created_by_me&created_after={clock.iso(since)}&order_by=created_at&sort=desc"
    return _request(config, secrets, "GET", f"{query}&per_page={per_page}&page={page}")


def read(config: dict[str, Any], secrets: dict[str, Any], number: int) -> OutgoingRequest:
    """Return the request for an issue."""
    return _request(config, secrets, "GET", f"/{number}")


def create(config: dict[str, Any], secrets: dict[str, Any], title: str, body: str) -> OutgoingRequest:
    """Return the request that creates an issue."""
    labels = {"labels": ",".join(config["labels"])} if config.get("labels") else {}
    return _request(config, secrets, "POST", "", {"title": title, "description": body} | labels)


def comments(config: dict[str, Any], secrets: dict[str, Any], number: int, since: datetime) -> OutgoingRequest:
    """Return the request for an issue's latest comments."""
    return _request(config, secrets, "GET", f"/{number}/notes?order_by=created_at&sort=desc&per_page=30")


def comment(config: dict[str, Any], secrets: dict[str, Any], number: int, body: str) -> OutgoingRequest:
    """Return the request that adds a comment."""
    return _request(config, secrets, "POST", f"/{number}/notes", {"body": body})


def set_state(config: dict[str, Any], secrets: dict[str, Any], number: int, *, closed: bool) -> OutgoingRequest:
    """Return the request that closes or reopens an issue."""
    return _request(config, secrets, "PUT", f"/{number}", {"state_event": "close" if closed else "reopen"})


def parse(resource: dict[str, Any]) -> Issue:
    """Return the issue in a response."""
    return Issue(
        issue_settings.issue_number(resource["iid"]),
        issue_settings.web_url(resource["web_url"]),
        str(resource.get("description") or ""),
        resource["state"] == "closed",
    )


def _request(
    config: dict[str, Any], secrets: dict[str, Any], method: str, path: str, payload: dict[str, Any] | None = None
) -> OutgoingRequest:
    server = (config.get("server") or DEFAULT_SERVER).rstrip("/")
    headers = {"PRIVATE-TOKEN": str(secrets["token"])}
    if payload is not None:
        headers["Content-Type"] = "application/json; charset=utf-8"
    body = b"" if payload is None else json_body(payload)
    project = quote(str(config["project"]), safe="")
    return OutgoingRequest(f"{server}/api/v4/projects/{project}/issues{path}", body, headers, method)
