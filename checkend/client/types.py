"""Types of the JSON values in the Management API's responses."""

from typing import Any, Generic, NotRequired, TypedDict, TypeVar

Item = TypeVar("Item")


class App(TypedDict):
    """An app."""

    id: int
    name: str
    slug: str
    environment: str | None
    notify_on_new_problem: bool
    notify_on_reoccurrence: bool
    retention_days: int | None
    retention_notices: int | None
    disabled_grouping_rules: list[str]
    created_at: str
    updated_at: str
    unresolved_problems_count: int


class AppWithKey(App):
    """An app with its ingestion key, as returned when the key is generated."""

    ingestion_key: str


class Channel(TypedDict):
    """A channel of an app, without its secrets."""

    id: int
    app_id: int
    kind: str
    name: str
    enabled: bool
    events: list[str]
    environments: list[str]
    min_interval_seconds: int
    config: dict[str, Any]
    secret_set: bool
    last_delivered_at: str | None
    last_failed_at: str | None
    last_error: str | None
    created_at: str
    updated_at: str


class ChannelWithSecret(Channel):
    """A channel, as the responses that create a webhook's signing secret show it."""

    signing_secret: NotRequired[str]


class Delivery(TypedDict):
    """A notification on its way through a channel, or what became of it."""

    id: int
    event: str
    problem_id: int | None
    status: str
    attempts: int
    next_attempt_at: str | None
    last_status: int | None
    last_error: str | None
    created_at: str
    delivered_at: str | None


class Tag(TypedDict):
    """A tag."""

    id: int
    name: str


class CountedTag(Tag):
    """A tag with the number of an app's problems that have it."""

    problems_count: int


class FacetValue(TypedDict):
    """A value of a facet, None for all values that are not counted individually, and the number of its reports."""

    value: str | None
    count: int


class Occurrences(TypedDict):
    """The number of occurrences in the hour or day that begins at ``at``."""

    at: str
    count: int


class ApiKey(TypedDict):
    """An API key, without its value."""

    id: int
    name: str
    prefix: str
    permissions: list[str]
    app_ids: list[int] | None
    created_at: str
    last_used_at: str | None
    expires_at: str | None


class Problem(TypedDict):
    """A problem with its tags."""

    id: int
    app_id: int
    url: str | None
    error_class: str
    error_message: str | None
    fingerprint: str
    culprit: str | None
    level: str | None
    status: str
    notices_count: int
    deduplicated_count: int
    first_noticed_at: str
    last_noticed_at: str
    resolved_at: str | None
    regressed_at: str | None
    muted: bool
    muted_until: str | None
    mute_reason: str | None
    created_at: str
    updated_at: str
    environments: list[str]
    first_release: str | None
    last_release: str | None
    tags: list[Tag]


class Frame(TypedDict):
    """A stack frame; ``column`` only if it was reported."""

    file: str
    line: int
    method: str
    column: NotRequired[int]


class Notice(TypedDict):
    """A notice with everything that was reported."""

    id: int
    problem_id: int
    error_class: str
    error_message: str | None
    occurred_at: str
    created_at: str
    updated_at: str
    context: dict[str, Any]
    request: dict[str, Any]
    user_info: dict[str, Any]
    notifier: dict[str, Any]
    backtrace: list[Frame]


class FeedEntry(TypedDict):
    """A stored report: the id of its notice, and its problem."""

    notice_id: int
    problem: Problem


class NoticeFeed(TypedDict):
    """Reports in the order in which they were stored; ``cursor`` is the position after the last one."""

    data: list[FeedEntry]
    cursor: int


class User(TypedDict):
    """A user."""

    id: int
    slug: str
    email_address: str
    site_admin: bool
    last_logged_in_at: str | None
    created_at: str
    updated_at: str


class PasswordLink(TypedDict):
    """A link with which a user chooses a new password."""

    url: str
    expires_at: str


class NotificationPreference(TypedDict):
    """Which email a user gets about an app: ``all``, ``new`` (new problems only) or ``none``."""

    app_id: int
    app_slug: str
    level: str


class TestError(TypedDict):
    """What became of a test error."""

    id: int
    problem_id: int
    deduplicated: bool


class Team(TypedDict):
    """A team."""

    id: int
    slug: str
    name: str
    owner_id: int
    created_at: str
    updated_at: str


class Member(TypedDict):
    """A member of a team."""

    id: int
    team_id: int
    user_id: int
    role: str
    user: User
    created_at: str
    updated_at: str


class Invitation(TypedDict):
    """An open invitation to a team; ``url``, its link, only in the response that creates it."""

    id: int
    team_id: int
    email_address: str
    role: str
    invited_by: str | None
    mail_status: str | None
    mail_error: str | None
    created_at: str
    expires_at: str
    url: NotRequired[str]


class AuditRecord(TypedDict):
    """The actor or the target of an entry in the audit log."""

    kind: str | None
    id: int | None
    label: str


class AuditEntry(TypedDict):
    """An entry of the audit log."""

    id: int
    at: str
    event: str
    actor: AuditRecord
    client_ip: str | None
    target: AuditRecord
    app_id: int | None
    details: dict[str, Any]
    request_id: str | None


class Pagination(TypedDict):
    """The position of a page in its list."""

    page: int
    per_page: int
    total: int
    total_pages: int


class Page(TypedDict, Generic[Item]):
    """A page of a list."""

    data: list[Item]
    pagination: Pagination
