"""The kinds of channels that deliver by HTTP, by name."""

from checkend.notifications.channels import (
    apprise,
    discord,
    github,
    gitlab,
    google_chat,
    ntfy,
    slack,
    teams,
    telegram,
    webhook,
)
from checkend.notifications.channels.base import ChannelKind, HttpChannel, IssueTracker

HTTP_KINDS: dict[str, HttpChannel] = {
    module.KIND: module for module in (webhook, slack, discord, teams, google_chat, telegram, ntfy)
}
TRACKER_KINDS: dict[str, IssueTracker] = {module.KIND: module for module in (github, gitlab)}
REQUEST_KINDS: dict[str, ChannelKind] = {**HTTP_KINDS, **TRACKER_KINDS, apprise.KIND: apprise}
