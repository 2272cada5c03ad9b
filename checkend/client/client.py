"""Typed client for the Management API: one method per route, standard library only."""
# mypy: disable-error-code="no-any-return"
# A JSON value is Any. That it has the type that a method declares is guaranteed by the API, and verified by the tests.

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Literal

from checkend.client.connection import ServerConnection
from checkend.client.types import (
    ApiKey,
    App,
    AppWithKey,
    AuditEntry,
    Channel,
    ChannelWithSecret,
    CountedTag,
    Delivery,
    FacetValue,
    Member,
    Notice,
    NoticeFeed,
    Occurrences,
    Page,
    Problem,
    Tag,
    Team,
    User,
)

Id = int | str
MAX_PER_PAGE = 100


class ApiError(Exception):
    """The server responded with an error: its status, code and message; for a 422, ``messages`` has one per error."""

    def __init__(self, method: str, path: str, status: int, value: Any) -> None:
        fields = value if isinstance(value, dict) else {}
        self.status = status
        self.code: str = fields.get("error", "")
        self.message: str = fields.get("message", "")
        self.messages: list[str] = fields.get("messages", [])
        super().__init__(f"{method} {path} failed with status {status} {self.code}: {self.message}")


class Client:
    """Client for the Management API of the server at ``url``, which authenticates with ``api_key``.

    Apps, teams and users are identified by id or slug, everything else by id. Methods raise `ApiError` if the server
    responds with an error, and OSError if it cannot be reached. Can be used by several threads.
    """

    def __init__(self, url: str, api_key: str) -> None:
        self._connection = ServerConnection(url, {"Checkend-API-Key": api_key})

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; later calls open new ones."""
        self._connection.close()

    def call(self, method: str, path: str, body: Any = None, *, timeout_seconds: float = 40.0, **query: Any) -> Any:
        """Send a request to a path below ``/api/v1``, and return the JSON value of the response.

        For routes and parameters that no other method covers.
        """
        texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        status, value = self._connection.request(
            method, f"/api/v1{path}", body, timeout_seconds=timeout_seconds, **texts
        )
        if status >= 400:
            raise ApiError(method, f"/api/v1{path}", status, value)
        return value

    def health(self) -> dict[str, str]:
        """Return ``status`` and ``timestamp``."""
        return self.call("GET", "/health")

    def api_key(self) -> ApiKey:
        """Return the API key that this client uses, without its value."""
        return self.call("GET", "/api_key")

    # Apps

    def apps(self) -> list[App]:
        """Return all apps, newest first."""
        return self.call("GET", "/apps")

    def app(self, app: Id) -> App:
        """Return an app."""
        return self.call("GET", f"/apps/{app}")

    def create_app(self, name: str, **fields: Any) -> AppWithKey:
        """Create an app; the result contains its ingestion key."""
        return self.call("POST", "/apps", {"name": name, **fields})

    def update_app(self, app: Id, **fields: Any) -> App:
        """Change fields of an app."""
        return self.call("PATCH", f"/apps/{app}", fields)

    def delete_app(self, app: Id) -> None:
        """Delete an app with everything that was reported to it."""
        self.call("DELETE", f"/apps/{app}")

    def regenerate_ingestion_key(self, app: Id) -> AppWithKey:
        """Replace the ingestion key of an app; reports with the old key are rejected from now on."""
        return self.call("POST", f"/apps/{app}/regenerate_ingestion_key")

    # Channels

    def channels(self, app: Id) -> list[Channel]:
        """Return the channels of an app, oldest first."""
        return self.call("GET", f"/apps/{app}/channels")

    def channel(self, app: Id, channel: int) -> Channel:
        """Return a channel."""
        return self.call("GET", f"/apps/{app}/channels/{channel}")

    def create_channel(self, app: Id, kind: str, name: str, **fields: Any) -> ChannelWithSecret:
        """Create a channel; of a webhook, the response contains the signing secret."""
        return self.call("POST", f"/apps/{app}/channels", {"kind": kind, "name": name, **fields})

    def update_channel(self, app: Id, channel: int, **fields: Any) -> Channel:
        """Change fields of a channel."""
        return self.call("PATCH", f"/apps/{app}/channels/{channel}", fields)

    def delete_channel(self, app: Id, channel: int) -> None:
        """Delete a channel with its deliveries."""
        self.call("DELETE", f"/apps/{app}/channels/{channel}")

    def rotate_channel_secret(self, app: Id, channel: int) -> ChannelWithSecret:
        """Replace the signing secret of a webhook; the old one signs as well for another 24 hours."""
        return self.call("POST", f"/apps/{app}/channels/{channel}/rotate_secret")

    def test_channel(self, app: Id, channel: int) -> dict[str, str]:
        """Send a test notification; returns its ``status``, ``delivered`` or ``failed``, and ``detail``."""
        return self.call("POST", f"/apps/{app}/channels/{channel}/test")

    def deliveries(
        self, app: Id, channel: int, *, page: int | None = None, per_page: int | None = None
    ) -> Page[Delivery]:
        """Return a page of the deliveries of a channel, newest first."""
        return self.call("GET", f"/apps/{app}/channels/{channel}/deliveries", page=page, per_page=per_page)

    def redeliver(self, app: Id, channel: int, delivery: int) -> Delivery:
        """Queue a delivery that has ended again."""
        return self.call("POST", f"/apps/{app}/channels/{channel}/deliveries/{delivery}/redeliver")

    # Problems and notices

    def problems(
        self,
        app: Id,
        *,
        status: Literal["resolved", "unresolved", "all"] | None = None,
        muted: bool | None = None,
        search: str | None = None,
        tags: list[str] | None = None,
        date_from: str | None = None,
        date_to: str | None = None,
        min_notices: int | None = None,
        sort: Literal["recent", "oldest", "notices"] | None = None,
        page: int | None = None,
        per_page: int | None = None,
    ) -> Page[Problem]:
        """Return a page of an app's problems."""
        query: dict[str, Any] = {
            "status": status,
            "muted": muted,
            "search": search,
            "tags": tags,
            "date_from": date_from,
            "date_to": date_to,
            "min_notices": min_notices,
            "sort": sort,
            "page": page,
            "per_page": per_page,
        }
        return self.call("GET", f"/apps/{app}/problems", **query)

    def all_problems(self, app: Id, **filters: Any) -> list[Problem]:
        """Return an app's problems from all pages; accepts the filters of `problems`."""
        return list(self._pages(f"/apps/{app}/problems", filters))

    def problem(self, app: Id, problem: int) -> Problem:
        """Return a problem."""
        return self.call("GET", f"/apps/{app}/problems/{problem}")

    def resolve(self, app: Id, problem: int) -> Problem:
        """Mark a problem as resolved."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/resolve")

    def unresolve(self, app: Id, problem: int) -> Problem:
        """Mark a problem as unresolved."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/unresolve")

    def bulk_resolve(self, app: Id, problem_ids: list[int]) -> int:
        """Mark problems as resolved, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_resolve", problem_ids)

    def bulk_unresolve(self, app: Id, problem_ids: list[int]) -> int:
        """Mark problems as unresolved, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_unresolve", problem_ids)

    def _bulk(self, app: Id, action: str, problem_ids: list[int], **fields: Any) -> int:
        body = {"problem_ids": problem_ids, **fields}
        return int(self.call("POST", f"/apps/{app}/problems/{action}", body)["count"])

    def delete_problem(self, app: Id, problem: int) -> None:
        """Delete a problem with its notices and counters."""
        self.call("DELETE", f"/apps/{app}/problems/{problem}")

    def bulk_delete(self, app: Id, problem_ids: list[int]) -> int:
        """Delete problems, and return how many of them belonged to the app."""
        return self._bulk(app, "bulk_delete", problem_ids)

    def bulk_tag(self, app: Id, problem_ids: list[int], tag: str) -> int:
        """Add a tag to problems, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_tag", problem_ids, tag=tag)

    def bulk_untag(self, app: Id, problem_ids: list[int], tag: str) -> int:
        """Remove a tag from problems, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_untag", problem_ids, tag=tag)

    def facets(self, app: Id, problem: int) -> dict[str, list[FacetValue]]:
        """Return the values that the reports of a problem have in common, by facet."""
        return self.call("GET", f"/apps/{app}/problems/{problem}/facets")

    def occurrences(
        self, app: Id, problem: int, *, interval: Literal["hour", "day"] = "hour", date_from: str | None = None
    ) -> list[Occurrences]:
        """Return how often a problem occurred in each hour or day, oldest first."""
        path = f"/apps/{app}/problems/{problem}/occurrences"
        return self.call("GET", path, interval=interval, date_from=date_from)

    def mute(self, app: Id, problem: int, **terms: Any) -> Problem:
        """Mute a problem; ``until``, ``occurrences``, ``within_minutes`` and ``until_release`` say when that ends."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/mute", terms)

    def unmute(self, app: Id, problem: int) -> Problem:
        """End the mute of a problem."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/unmute")

    def bulk_mute(self, app: Id, problem_ids: list[int], **terms: Any) -> int:
        """Mute problems on the terms of `mute`, and return how many are muted now."""
        body = {"problem_ids": problem_ids, **terms}
        return int(self.call("POST", f"/apps/{app}/problems/bulk_mute", body)["count"])

    def bulk_unmute(self, app: Id, problem_ids: list[int]) -> int:
        """End the mutes of problems, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_unmute", problem_ids)

    def notices(
        self,
        app: Id,
        problem: int,
        *,
        date_from: str | None = None,
        date_to: str | None = None,
        page: int | None = None,
        per_page: int | None = None,
    ) -> Page[Notice]:
        """Return a page of a problem's notices, latest first."""
        query: dict[str, Any] = {"date_from": date_from, "date_to": date_to, "page": page, "per_page": per_page}
        return self.call("GET", f"/apps/{app}/problems/{problem}/notices", **query)

    def all_notices(self, app: Id, problem: int, **filters: Any) -> list[Notice]:
        """Return a problem's notices from all pages, latest first."""
        return list(self._pages(f"/apps/{app}/problems/{problem}/notices", filters))

    def notice(self, app: Id, problem: int, notice: int) -> Notice:
        """Return a notice with everything that was reported."""
        return self.call("GET", f"/apps/{app}/problems/{problem}/notices/{notice}")

    def arrivals(self, *, after: int | None = None, wait: int = 0, app: Id | None = None) -> NoticeFeed:
        """Return the reports stored after the cursor ``after``, of one app or of all.

        Waits up to ``wait`` seconds for a report. Without ``after``, returns only the current cursor.
        """
        path = "/arrivals" if app is None else f"/apps/{app}/arrivals"
        return self.call("GET", path, timeout_seconds=wait + 15.0, after=after, wait=wait)

    def _pages(self, path: str, filters: dict[str, Any]) -> Iterator[Any]:
        number, total_pages = 1, 1
        while number <= total_pages:
            page = self.call("GET", path, **filters | {"page": number, "per_page": MAX_PER_PAGE})
            yield from page["data"]
            number, total_pages = number + 1, page["pagination"]["total_pages"]

    # Tags

    def app_tags(self, app: Id) -> list[CountedTag]:
        """Return the tags that problems of an app have, by name, with the number of these problems."""
        return self.call("GET", f"/apps/{app}/tags")

    def tags(self, app: Id, problem: int) -> list[Tag]:
        """Return the tags of a problem, by name."""
        return self.call("GET", f"/apps/{app}/problems/{problem}/tags")

    def add_tag(self, app: Id, problem: int, name: str) -> Tag:
        """Add a tag to a problem."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/tags", {"name": name})

    def remove_tag(self, app: Id, problem: int, tag: int) -> None:
        """Remove a tag from a problem."""
        self.call("DELETE", f"/apps/{app}/problems/{problem}/tags/{tag}")

    # Teams

    def teams(self) -> list[Team]:
        """Return all teams, newest first."""
        return self.call("GET", "/teams")

    def team(self, team: Id) -> Team:
        """Return a team."""
        return self.call("GET", f"/teams/{team}")

    def create_team(self, name: str, owner_id: Id) -> Team:
        """Create a team."""
        return self.call("POST", "/teams", {"name": name, "owner_id": owner_id})

    def update_team(self, team: Id, **fields: Any) -> Team:
        """Change a team's name or owner."""
        return self.call("PATCH", f"/teams/{team}", fields)

    def delete_team(self, team: Id) -> None:
        """Delete a team."""
        self.call("DELETE", f"/teams/{team}")

    def team_apps(self, team: Id) -> list[App]:
        """Return the apps of a team, by name."""
        return self.call("GET", f"/teams/{team}/apps")

    def assign_app(self, team: Id, app: Id) -> None:
        """Assign an app to a team."""
        self.call("POST", f"/teams/{team}/apps", {"app_id": app})

    def unassign_app(self, team: Id, app: Id) -> None:
        """Unassign an app from a team."""
        self.call("DELETE", f"/teams/{team}/apps/{app}")

    def members(self, team: Id) -> list[Member]:
        """Return the members of a team, highest role first."""
        return self.call("GET", f"/teams/{team}/members")

    def add_member(self, team: Id, role: str = "member", **user: Any) -> Member:
        """Add a user, identified by ``user_id`` or ``email_address``, to a team."""
        return self.call("POST", f"/teams/{team}/members", {"role": role, **user})

    def set_role(self, team: Id, member: int, role: str) -> Member:
        """Change a member's role."""
        return self.call("PATCH", f"/teams/{team}/members/{member}", {"role": role})

    def remove_member(self, team: Id, member: int) -> None:
        """Remove a member from a team."""
        self.call("DELETE", f"/teams/{team}/members/{member}")

    # Users

    def users(self) -> list[User]:
        """Return all users, newest first."""
        return self.call("GET", "/users")

    def user(self, user: Id) -> User:
        """Return a user."""
        return self.call("GET", f"/users/{user}")

    def create_user(self, email_address: str, password: str) -> User:
        """Create a user."""
        return self.call("POST", "/users", {"email_address": email_address, "password": password})

    def update_user(self, user: Id, **fields: Any) -> User:
        """Change a user's email address or password."""
        return self.call("PATCH", f"/users/{user}", fields)

    def delete_user(self, user: Id) -> None:
        """Delete a user."""
        self.call("DELETE", f"/users/{user}")

    # Audit log

    def audit_log(
        self,
        *,
        event: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        app: Id | None = None,
        date_from: str | None = None,
        date_to: str | None = None,
        before: int | None = None,
        page: int | None = None,
        per_page: int | None = None,
    ) -> Page[AuditEntry]:
        """Return a page of the audit log, newest first."""
        query: dict[str, Any] = {
            "event": event,
            "actor": actor,
            "target": target,
            "app": app,
            "date_from": date_from,
            "date_to": date_to,
            "before": before,
            "page": page,
            "per_page": per_page,
        }
        return self.call("GET", "/audit_log", **query)
