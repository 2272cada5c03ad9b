"""Apprise: services that have no kind of their own, by an Apprise URL. `checkend.notifications.apprise` delivers."""

import re
from importlib.util import find_spec
from typing import Any

from checkend.notifications.channels import settings
from checkend.notifications.channels.ntfy import plain_text
from checkend.notifications.channels.text import fit_line
from checkend.notifications.message import Notification

KIND = "apprise"
LABEL = "Apprise"
SECRETS: tuple[str, ...] = ("url",)
URL_LIMIT = 2_000
TITLE_LIMIT = 150
NOT_INSTALLED = "The server lacks Apprise. Install checkend-server[apprise] and restart it."
_SCHEMA = re.compile(r"([A-Za-z0-9]{1,20})://[!-~]+")

# The services that an Apprise URL may name: chat, push, SMS and incident services. What is missing writes to this
# machine (syslog, dbus …), reads files of it (fcm, vapid), sends mail, posts to any URL, or has a kind of its own.
SCHEMAS = frozenset(
    """
    46elks atalk awswhatsapp bale bark barks betterstack bluesky bsky bulksms bulkvs chanify clickatell
    clicksend cliq d7sms dingtalk elks evolution evolutions exotel feishu firehydrant flock freemobile goalert
    goalerts gorush gorushs gotify gotifys groupme guilded gupshup hassio hassios httpsms ifttt ilert
    incidentio infobip jira join kakao kakaotalk kaleyra kavenegar klr kook kudosity kumulos lametric
    lametrics lark line mastodon mastodons matrix matrixs misskey misskeys mmost mmosts mobilemsg msg91
    msgbird ncloud nclouds nctalk nctalks nexmo notica noticas notifiarr notifico notificos notifyre octopush
    onesignal opsgenie pagerduty pagertree parsep parseps pbul pjet pjets plivo pover prowl psafer psafers
    push pushdeer pushdeers pushed pushme pushplus pushy qq revolt ringc rocket rockets ryver schan serwersms
    seven sfr signal signalgrid signals signl4 simplepush sinch smsc smseagle smseagles smsmanager smsmgr sns
    spike splunk spugpush spush squadcast stackfield synology synologys telesign telnyx threema toot toots
    twilio twist viber victorops voipms vonage webex wechat wecom wecombot whapi whatsapp wxpusher wxteams
    xmatters zalo zcliq zohocliq zoom zulip
    """.split()
)


def validate(config: dict[str, Any], secrets: dict[str, Any]) -> None:
    """Raise `ChannelConfigError` for unknown, missing or malformed settings, and where Apprise is not installed."""
    settings.check(
        settings.unknown(config, secrets, (), SECRETS),
        _check_url(secrets.get("url")),
        [] if find_spec("apprise") else [NOT_INSTALLED],
    )


def _check_url(url: Any) -> list[str]:
    if url is None or url == "":
        return ["'url' is missing. Enter an Apprise URL such as gotify://host/token."]
    if not isinstance(url, str) or len(url) > URL_LIMIT or not (match := _SCHEMA.fullmatch(url)):
        return [f"'url' must be an Apprise URL such as gotify://host/token, of at most {URL_LIMIT:,} ASCII characters."]
    if match[1].lower() not in SCHEMAS:
        return [f"'url' must not begin with {match[1]}://. The documentation lists the services that are permitted."]
    return []


def build_message(notification: Notification) -> tuple[str, str]:
    """Return the title and the text of the message, both plain."""
    return fit_line(notification.title, TITLE_LIMIT), "\n\n".join(
        part for part in (plain_text(notification), notification.url) if part
    )
