"""The kinds of channels that deliver by HTTP, by name."""

from checkend.notifications.channels import discord, google_chat, ntfy, slack, teams, telegram, webhook
from checkend.notifications.channels.base import HttpChannel

HTTP_KINDS: dict[str, HttpChannel] = {
    module.KIND: module for module in (webhook, slack, discord, teams, google_chat, telegram, ntfy)
}
