"""Types of what the methods of the client send: query parameters, and the optional fields of bodies."""

from typing import Any, Literal, TypedDict

from checkend.client.caller import Id


class PageQuery(TypedDict, total=False):
    """The number of a page, from 1, and how many items a page has: 1 to 100, 25 by default."""

    page: int
    per_page: int


class ProblemFilters(TypedDict, total=False):
    """Which problems a list contains, and in which order. Times are dates or ISO 8601 times."""

    status: Literal["resolved", "unresolved", "all"]
    muted: bool
    search: str
    tags: list[str]
    environment: str | list[str]
    release: str
    date_from: str
    date_to: str
    first_from: str
    first_to: str
    min_notices: int
    sort: Literal["recent", "oldest", "notices", "new", "users"]


class ProblemPageQuery(ProblemFilters, PageQuery, total=False):
    """A page of the problems that match."""


class AllProblemFilters(ProblemFilters, total=False):
    """Which problems a list across apps contains; ``app`` has the slugs or ids of apps, and without it, all count."""

    app: Id | list[Id]


class AllProblemPageQuery(AllProblemFilters, PageQuery, total=False):
    """A page of the problems that match, across apps."""


class NoticeFilters(TypedDict, total=False):
    """Bounds for the time of notices: dates or ISO 8601 times."""

    date_from: str
    date_to: str


class NoticePageQuery(NoticeFilters, PageQuery, total=False):
    """A page of the notices within the bounds."""


class MuteTerms(TypedDict, total=False):
    """When a mute ends, and why there is one; without a term, it ends when the problem is unmuted."""

    until: str
    occurrences: int
    within_minutes: int
    until_release: bool
    reason: str


class AppFields(TypedDict, total=False):
    """The optional fields of an app."""

    environment: str | None
    notify_on_new_problem: bool
    notify_on_reoccurrence: bool
    retention_days: int | None
    retention_notices: int | None
    disabled_grouping_rules: list[str]


class AppUpdate(AppFields, total=False):
    """The fields of an app that can be changed."""

    name: str


class ChannelFields(TypedDict, total=False):
    """The optional fields of a channel; those of ``config`` depend on its kind."""

    enabled: bool
    events: list[str]
    environments: list[str]
    min_level: Literal["debug", "info", "warning", "error", "fatal"]
    min_interval_seconds: int
    spike_occurrences: int
    spike_minutes: int
    config: dict[str, Any]


class ChannelUpdate(ChannelFields, total=False):
    """The fields of a channel that can be changed."""

    name: str


class TeamUpdate(TypedDict, total=False):
    """The fields of a team that can be changed; ``owner_id`` is the id or slug of a user."""

    name: str
    owner_id: int | str


class UserUpdate(TypedDict, total=False):
    """The fields of a user that can be changed."""

    email_address: str
    password: str


class AuditFilters(TypedDict, total=False):
    """Which entries of the audit log a list contains.

    ``event`` is an event or a group of them. ``actor`` and ``target`` are a kind, ``kind:id`` or a part of the label.
    """

    event: str
    actor: str
    target: str
    app: int | str
    date_from: str
    date_to: str
    before: int


class AuditPageQuery(AuditFilters, PageQuery, total=False):
    """A page of the entries that match."""
