"""The groups of operations in the OpenAPI document and the reference, in the order in which they are shown."""

from typing import NamedTuple


class Group(NamedTuple):
    """A group: its name, a description in Markdown, and the blueprints whose operations it has."""

    name: str
    description: str
    blueprints: tuple[str, ...]


GROUPS = (
    Group("Health", "For load balancers, and for programs that wait for a server.", ("health",)),
    Group("OpenAPI", "This description of the API, for tools. No key is needed.", ("openapi",)),
    Group("API key", "The key that a request is sent with.", ("api_key",)),
    Group("Apps", "An app is an application that reports errors.", ("apps",)),
    Group(
        "Channels",
        "A channel sends notifications about an app's problems to one destination: the documentation on notifications "
        "has the settings of each kind, the rules for retries and digests, and how signatures are verified.",
        ("channels",),
    ),
    Group(
        "Problems",
        "A problem is a group of reports with the same cause. All of its fields are read-only; routes resolve, "
        "mute, tag and delete it.",
        ("problems", "problem_statistics"),
    ),
    Group(
        "Notices", "A notice is one stored report. All fields are read-only, and notices never change.", ("notices",)
    ),
    Group(
        "Notice feed",
        "Follow the notices of one app or of all apps in the order in which they are stored. Request the feed without "
        "`after` for the current `cursor`; then request it with `after` and `wait` in a loop, each time with the "
        "`cursor` of the last response. Waiting occupies a request thread, so at most a quarter of the threads wait "
        "at a time; further requests do not wait. Duplicates are not in the feed: they are not stored. "
        "`checkend tail` reads this feed.",
        ("arrivals",),
    ),
    Group("Tags", "A tag is a short name on a problem. Reports can add tags, too.", ("tags", "app_tags")),
    Group("Teams", "A team gives its members access to the apps that are assigned to it.", ("teams",)),
    Group("Apps of a team", "The apps to which the members of a team have access.", ("team_apps",)),
    Group(
        "Members of a team",
        "The roles `owner` and `admin` both count as admins, and a team always has at least one.",
        ("team_members",),
    ),
    Group(
        "Invitations",
        "An invitation is a link with which someone joins a team. It works once, for seven days, and only as long as "
        "the user or the API key that sent it may still send it. Lists contain the open ones: those that are not used, "
        "revoked or expired.",
        ("invitations",),
    ),
    Group("Users", "A user can sign in to the dashboard.", ("users", "notification_preferences")),
    Group(
        "Audit log",
        "Who did what to which record, from where and when. Entries cannot be changed or deleted. The documentation on "
        "operation lists the events, and states how long entries are kept.",
        ("audit_log",),
    ),
    Group("Reporting errors", "What SDKs send: see the documentation on ingestion.", ()),
)
GROUP_OF = {blueprint: group.name for group in GROUPS for blueprint in group.blueprints}
