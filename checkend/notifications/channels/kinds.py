"""The kinds of channels that deliver by HTTP, by name."""

from checkend.notifications.channels import discord, github, gitlab, google_chat, ntfy, slack, teams, telegram, webhook
from checkend.notifications.channels.base import HttpChannel, IssueTracker

HTTP_KINDS: dict[str, HttpChannel] = {
    module.KIND: module for module in (webhook, slack, discord, teams, google_chat, telegram, ntfy)
}
TRACKER_KINDS: dict[str, IssueTracker] = {module.KIND: module for module in (github, gitlab)}
REQUEST_KINDS: dict[str, HttpChannel | IssueTracker] = {**HTTP_KINDS, **TRACKER_KINDS}
