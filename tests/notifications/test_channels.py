"""The request or mail that each kind of channel sends: exact payloads, limits of the services, hostile content."""

import email
import email.policy
import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from checkend.notifications.channels import apprise, content, discord, issue_text, ntfy, slack, telegram, webhook
from checkend.notifications.channels.base import ChannelConfigError, OutgoingRequest
from checkend.notifications.channels.content import digest_capacity
from checkend.notifications.channels.kinds import HTTP_KINDS, TRACKER_KINDS
from checkend.notifications.channels.mail_message import build_message
from checkend.notifications.channels.text import ELLIPSIS, fit, json_length, utf16_length
from checkend.notifications.message import AppSummary, Event, Notification, ProblemSummary, remark_on

PAYLOADS = Path(__file__).resolve().parent.parent / "data" / "notifications"
NOW = datetime(2026, 11, 25, 9, 30, 0, tzinfo=UTC)
SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHAT_URL = {"url": "https://chat.example/hooks/T1/B2/secret"}
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "webhook": ({"url": "https://receiver.example/checkend"}, {"signing_secrets": [SIGNING_SECRET]}),
    "slack": ({}, CHAT_URL),
    "discord": ({}, CHAT_URL),
    "teams": ({}, CHAT_URL),
    "google_chat": ({}, CHAT_URL),
    "telegram": ({"chat_id": "-1001234567890"}, {"token": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"}),
    "ntfy": ({"topic": "shop-alerts"}, {"token": "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"}),
}

APP = AppSummary(3, "Shop", "shop", "https://errors.example/apps/shop")
PROBLEM = ProblemSummary(
    id=5,
    error_class="NoMethodError",
    message="undefined method 'total' for nil & <Order>",
    culprit="Order#total (app/models/order.rb)",
    environment="production",
    release="1.4.2",
    occurrences=1_234,
    first_seen_at=datetime(2026, 11, 25, 9, 1, 5, tzinfo=UTC),
    last_seen_at=datetime(2026, 11, 25, 10, 30, 0, tzinfo=UTC) - timedelta(hours=1),
    url="https://errors.example/apps/shop/problems/5",
    frames=("app/models/order.rb:41 Order#total", "app/controllers/orders_controller.rb:7 OrdersController#show"),
    resource={"id": 5, "error_class": "NoMethodError", "notices_count": 1_234},
    notice={"id": 99, "environment": "production", "frames": [{"file": "app/models/order.rb", "line": 41}]},
)
NEW = Notification("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", Event.NEW_PROBLEM, APP, NOW, (PROBLEM,), url=PROBLEM.url)
DIGEST = Notification(
    "msg_3",
    Event.DIGEST,
    APP,
    NOW,
    tuple(
        replace(
            PROBLEM, id=number, error_class=f"Error{number}", occurrences=number, url=f"{APP.url}/problems/{number}"
        )
        for number in range(1, 7)
    ),
    count=37,
    period_minutes=5,
    url=f"{APP.url}?is=new",
    details={"events": {"new_problem": 37}},
)
TEST = Notification("msg_4", Event.TEST, APP, NOW, url=APP.url)
NOTIFICATIONS = {"problem": NEW, "digest": DIGEST, "test": TEST}


def event(event: Event, **details: Any) -> Notification:
    """Return a notification about `PROBLEM`."""
    problem = replace(PROBLEM, remark=remark_on(event, details))
    return replace(NEW, event=event, problems=(problem,), details=details)


EVENTS = {
    "reoccurrence": event(Event.REOCCURRENCE),
    "threshold": event(Event.THRESHOLD, occurrences=1_000),
    "spike started": event(Event.SPIKE, state="started", occurrences=1_312, minutes=5),
    "spike ended": event(Event.SPIKE, state="ended", occurrences=1, minutes=1),
    "mute ended at a time": event(Event.UNMUTED, reason="until"),
    "mute ended by occurrences": event(Event.UNMUTED, reason="occurrences", occurrences=1_234),
    "mute ended by a rate": event(Event.UNMUTED, reason="rate", occurrences=1_312, minutes=60),
    "mute ended by a release": event(Event.UNMUTED, reason="release", release="1.5.0"),
    "digest": replace(DIGEST, details={"events": {"new_problem": 30, "spike": 9}}),
}
HEADLINES = {
    "reoccurrence": "Resolved problem occurred again in Shop",
    "threshold": "Problem reached 1,000 occurrences in Shop",
    "spike started": "Spike in Shop: 1,312 occurrences in 5 minutes",
    "spike ended": "Spike ended in Shop",
    "mute ended at a time": "Mute ended in Shop",
    "mute ended by occurrences": "Mute ended in Shop",
    "mute ended by a rate": "Mute ended in Shop",
    "mute ended by a release": "Mute ended in Shop",
    "digest": "39 notifications about 37 problems in Shop in 5 minutes",
}

HOSTILE = {
    "slack mentions": "<!channel> <@U1> <!here|x> *bold* _i_ ~s~ `code` <http://evil.example|click> :smile:",
    "discord mentions": "@everyone @here <@1> <@&2> <#3> **bold** ||spoiler|| # heading\n> quote\n- item\n-# small",
    "markdown link": "](http://evil.example) [x](http://evil.example) ![i](http://evil.example/i.png) \\](y) \\\\",
    "html": "</b></pre></code></a><b><script>alert(1)</script><a href='http://evil.example' id=\"x\">x</a> &lt;&amp",
    "google chat mention": "<users/all> <https://evil.example|click>",
    "card functions": "{{DATE(2017-02-14T06:08:39Z,SHORT)}} ${x} {{{{TIME(x)}}",
    "line breaks": "first\nSubject: injected\r\nBcc: evil@evil.example\r\rX: y\u2028z\u2029\x85\x0b\x0c\x1e",
    "only line breaks": "\n\r\n\n",
    "many lines": "x\n" * 3_000,
    "long": "x" * 100_000,
    "long ampersands": "&" * 100_000,
    "long angle brackets": "<" * 100_000,
    "long backslashes": "\\" * 100_000,
    "long quotes": '"' * 100_000,
    "long underscores": "_" * 100_000,
    "long emoji": "👩‍👩‍👧‍👦🧨" * 20_000,
    "long chinese": "錯" * 100_000,
    "long null characters": "\x00" * 100_000,
    "right to left": "שגיאה \u202egnp.exe \u2066 خطأ \u200f",
    "lone surrogates": "\ud83d x \udca3 \udfff",
    "surrogate pair in halves": "\ud83d\udca3",
    "controls": "\x00\x01\x1b[31mred\x7f\ufeff\u200b",
    "empty": "",
    "blank": " \t ",
}


def build(kind: str, notification: Notification, **changes: Any) -> OutgoingRequest:
    config, secrets = SETTINGS[kind]
    return HTTP_KINDS[kind].build_request(notification, config | changes, secrets, now=NOW)


def payload(kind: str, notification: Notification) -> Any:
    return json.loads(build(kind, notification).body.decode("utf-8"))


def mail(notification: Notification, unsubscribe_url: str = "https://errors.example/unsubscribe/t") -> EmailMessage:
    """Return the mail as a receiver parses it."""
    message = build_message(
        notification,
        "Checkend <checkend@errors.example>",
        "ada@shop.example",
        host="errors.example",
        unsubscribe_url=unsubscribe_url,
    )
    parsed = email.message_from_bytes(message.as_bytes(policy=email.policy.SMTP), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@cache
def usual_mail(name: str) -> EmailMessage:
    return mail(EVENTS["mute ended by a release"] if name == "unmuted" else NOTIFICATIONS[name])


def body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


def hostile(text: str) -> dict[str, Notification]:
    """Return notifications in which every text that users or reports supply is ``text``."""
    problem = replace(
        PROBLEM, error_class=text, message=text, culprit=text, environment=text, release=text, frames=(text,) * 9
    )
    app = replace(APP, name=text)
    remark = remark_on(Event.UNMUTED, {"reason": "release", "release": text})
    return {
        "problem": replace(NEW, app=app, problems=(problem,)),
        "unmuted": replace(EVENTS["mute ended by a release"], app=app, problems=(replace(problem, remark=remark),)),
        "digest": replace(DIGEST, app=app, problems=(problem,) * 6),
        "test": replace(TEST, app=app),
    }


def every(value: Any, key: str) -> Iterator[Any]:
    """Yield the values of all members named ``key``, at any depth."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key:
                yield item
            yield from every(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from every(item, key)


class Tags(HTMLParser):
    """Parser that collects tags and the visible text, by the innermost tag around it, and rejects unbalanced tags."""

    VOID = ("br", "meta")

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: set[tuple[str, tuple[str, ...]]] = set()
        self.links: list[str | None] = []
        self.text = ""
        self.text_in: dict[str, str] = {}
        self._open = [""]
        self.feed(source)
        self.close()
        assert self._open == [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add((tag, tuple(name for name, _ in attrs)))
        self.links += [value for name, value in attrs if name == "href"]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        self.text_in[self._open[-1]] = self.text_in.get(self._open[-1], "") + data


# Exact payloads


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize("name", NOTIFICATIONS)
def test_payloads_are_exact(kind: str, name: str) -> None:
    assert payload(kind, NOTIFICATIONS[name]) == json.loads((PAYLOADS / f"{kind}_{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", NOTIFICATIONS)
@pytest.mark.parametrize(("subtype", "suffix"), [("plain", "txt"), ("html", "html")])
def test_mail_is_exact(name: str, subtype: str, suffix: str) -> None:
    assert body(mail(NOTIFICATIONS[name]), subtype) == (PAYLOADS / f"mail_{name}.{suffix}").read_text("utf-8")


@pytest.mark.parametrize("kind", [*HTTP_KINDS, *TRACKER_KINDS, "apprise", "mail"])
def test_payloads_of_every_event_are_exact(kind: str) -> None:
    assert payloads_of_events(kind) == json.loads((PAYLOADS / f"events_{kind}.json").read_text("utf-8"))


def payloads_of_events(kind: str) -> dict[str, Any]:
    if kind == "mail":
        return {name: body(mail(notification), "plain").split("\n") for name, notification in EVENTS.items()}
    every = {"new problem": NEW, **EVENTS}
    if kind == "apprise":
        return {name: list(apprise.build_message(notification)) for name, notification in every.items()}
    if kind in TRACKER_KINDS:
        return {name: requests_of_issue(kind, notification) for name, notification in every.items()}
    return {name: payload(kind, notification) for name, notification in EVENTS.items()}


def requests_of_issue(kind: str, notification: Notification) -> list[Any]:
    """Return the method, URL and body of the requests that create an issue, and that comment on it."""
    tracker = TRACKER_KINDS[kind]
    config = {"repository": "acme/shop"} if kind == "github" else {"project": "acme/shop"}
    config |= {"labels": ["bug"]}
    title, issue = issue_text.title(notification), issue_text.body(notification, "d0b8f1c2", tracker.BODY_LIMIT)
    comment = issue_text.body(notification, None, tracker.BODY_LIMIT)
    secrets = {"token": "SecretToken"}
    requests = (tracker.create(config, secrets, title, issue), tracker.comment(config, secrets, 17, comment))
    return [[request.method, request.url, json.loads(request.body)] for request in requests]


URLS = {
    "webhook": "https://receiver.example/checkend",
    "telegram": "https://api.telegram.org/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/sendMessage",
    "ntfy": "https://ntfy.sh/",
}


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_requests_are_json_posted_to_the_configured_url(kind: str) -> None:
    request = build(kind, NEW)
    assert (request.method, request.url) == ("POST", URLS.get(kind, CHAT_URL["url"]))
    assert request.headers["Content-Type"].startswith("application/json")


def test_ntfy_uses_the_configured_server_and_token() -> None:
    request = build("ntfy", NEW, server="http://ntfy.internal:8080/")
    assert request.url == "http://ntfy.internal:8080/"
    assert request.headers["Authorization"] == "Bearer tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"
    assert "Authorization" not in ntfy.build_request(NEW, {"topic": "t"}, {}, now=NOW).headers


def test_telegram_posts_to_a_topic_of_the_chat() -> None:
    assert json.loads(build("telegram", NEW, message_thread_id="42").body)["message_thread_id"] == 42


@pytest.mark.parametrize("name", [name for name in EVENTS if name != "digest"])
def test_every_event_about_a_problem_names_it(name: str) -> None:
    notification, headline = EVENTS[name], HEADLINES[name]
    title = f"{headline.replace(': ', ', ')}: NoMethodError"
    for kind in HTTP_KINDS.keys() - {"webhook"}:
        source = json.dumps(payload(kind, notification)).replace("\\", "")  # Discord's escapes
        assert headline in source or title in source, kind
        assert "NoMethodError" in source, kind
    assert title in body(mail(notification), "plain")


def test_digests_say_what_was_collected() -> None:
    assert DIGEST.headline == "37 new problems in Shop in 5 minutes"
    assert EVENTS["digest"].headline == HEADLINES["digest"]
    one = replace(DIGEST, count=1, period_minutes=1, details={"events": {"threshold": 1, "spike": 1}})
    assert one.headline == "2 notifications about 1 problem in Shop in a minute"
    assert replace(DIGEST, details={}).headline == "37 problems in Shop in 5 minutes"  # begun by an earlier version


# The signature of webhooks


def test_webhook_signatures_verify_with_every_secret_in_use() -> None:
    secrets = [webhook.generate_signing_secret(), webhook.generate_signing_secret()]
    now = datetime.now(UTC)
    request = webhook.build_request(NEW, {"url": "https://r.example"}, {"signing_secrets": secrets}, now=now)
    headers = dict(request.headers)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in secrets:
        assert Webhook(secret).verify(request.body, headers)["data"]["problem"] == PROBLEM.resource
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(request.body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(webhook.generate_signing_secret()).verify(request.body, headers)


def test_attempts_to_deliver_to_a_webhook_have_the_same_id_and_body_and_their_own_timestamp() -> None:
    config, secrets = SETTINGS["webhook"]
    first = webhook.build_request(NEW, config, secrets, now=NOW)
    second = webhook.build_request(NEW, config, secrets, now=NOW + timedelta(hours=1))
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == NEW.id
    assert first.body == second.body
    assert first.headers["webhook-timestamp"] == "1795599000"
    assert second.headers["webhook-timestamp"] == "1795602600"
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_webhooks_neither_truncate_nor_escape() -> None:
    message = "<!channel> &" * 10_000
    notification = replace(NEW, problems=(replace(PROBLEM, resource={"error_message": message}),))
    assert payload("webhook", notification)["data"]["problem"] == {"error_message": message}


def test_webhooks_replace_lone_surrogates_and_join_pairs() -> None:
    resource = {"error_message": "a\ud83d b\udca3 c\ud83d\udca3"}
    notification = replace(NEW, problems=(replace(PROBLEM, resource=resource),))
    assert payload("webhook", notification)["data"]["problem"] == {"error_message": "a\ufffd b\ufffd c💣"}


# The limits of the services


def check_slack(message: Any) -> None:
    assert 1 <= len(message["blocks"]) <= 50
    assert 1 <= utf16_length(message["text"]) <= 4_000
    for block in message["blocks"]:
        if block["type"] == "header":
            assert 1 <= utf16_length(block["text"]["text"]) <= 150
        elif "text" in block:
            assert 1 <= utf16_length(block["text"]["text"]) <= 3_000
        assert len(block.get("fields", [])) <= 10
        assert all(1 <= utf16_length(field["text"]) <= 2_000 for field in block.get("fields", []))
        assert len(block.get("elements", [])) <= 10
        assert all(item["text"] for item in block.get("elements", []))


def check_discord(message: Any) -> None:
    (embed,) = message["embeds"]
    fields = embed.get("fields", [])
    assert 1 <= utf16_length(embed["title"]) <= 256
    assert utf16_length(embed.get("description", "x")) in range(1, 4_097)
    assert len(fields) <= 25
    assert all(1 <= utf16_length(field["name"]) <= 256 for field in fields)
    assert all(1 <= utf16_length(field["value"]) <= 1_024 for field in fields)
    texts = [embed["title"], embed.get("description", ""), *(field["name"] + field["value"] for field in fields)]
    assert sum(map(utf16_length, texts)) <= 6_000


def check_telegram(message: Any) -> None:
    assert 1 <= utf16_length(Tags(message["text"]).text) <= 4_096


def check_ntfy(message: Any) -> None:
    assert 1 <= len(message["message"].encode()) <= 4_096
    assert 1 <= len(message["title"].encode()) <= 1_024


SIZES = {
    "slack": 100_000,
    "discord": 100_000,
    "teams": 28_000,
    "google_chat": 32_000,
    "telegram": 35_000,
    "ntfy": 8_192,
}
CHECKS: dict[str, Callable[[Any], None]] = {
    "slack": check_slack,
    "discord": check_discord,
    "telegram": check_telegram,
    "ntfy": check_ntfy,
}


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_messages_fit_the_limits_of_the_service(kind: str, text: str) -> None:
    for notification in hostile(text).values():
        request = build(kind, notification)
        assert len(request.body) <= SIZES[kind]
        message = json.loads(request.body.decode("utf-8"))
        message_text = json.dumps(message, ensure_ascii=False)
        message_text.encode("utf-8")  # no lone surrogates
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", message_text)
        assert all(item for item in every(message, "text"))
        CHECKS.get(kind, lambda _: None)(message)


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("text", ["x" * 300, '{{\\*"<&\x00', "錯🧨" * 300, ""])
def test_a_full_digest_names_every_problem_within_the_limits(kind: str, text: str) -> None:
    numbers = range(1_000_000, 1_000_000 + digest_capacity(kind))
    url = "https://errors.example.com/checkend/problems/"
    problem = replace(PROBLEM, error_class=text * 40, message=text)
    problems = tuple(replace(problem, id=number, url=f"{url}{number}") for number in numbers)
    request = build(kind, replace(DIGEST, problems=problems, count=len(problems)))
    assert len(request.body) <= SIZES[kind]
    message = json.loads(request.body)
    CHECKS.get(kind, lambda _: None)(message)
    source = json.dumps(message)
    assert [number for number in numbers[content.DIGEST_PROBLEMS :] if f"#{number}" not in source] == []


@pytest.mark.parametrize("kind", SIZES)
def test_truncated_messages_are_marked(kind: str) -> None:
    long = hostile("x" * 100_000)
    assert json.dumps(payload(kind, long["problem"]), ensure_ascii=False).count("x…") >= 6
    assert json.dumps(payload(kind, long["digest"]), ensure_ascii=False).count("x…") >= 5
    assert "…" not in json.dumps(payload(kind, NEW), ensure_ascii=False)


@pytest.mark.parametrize("kind", SIZES)
def test_messages_without_url_have_no_link(kind: str) -> None:
    problem = replace(PROBLEM, url="")
    for notification in (
        replace(NEW, problems=(problem,), url=""),
        replace(DIGEST, problems=(problem,) * 6, url=""),
        replace(TEST, url=""),
    ):
        source = json.dumps(payload(kind, notification))
        assert not re.search(r"https?:|href|Open|\burl\b|click|\]\(|<\|", source.replace("http://adaptivecards.io", ""))


# Nothing from a report acts as markup


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_slack_formats_only_what_checkend_writes(text: str) -> None:
    labels = {f"*{label}*" for label in ("App", "Environment", "Release", "Culprit", "Occurrences", "Mute ended")}
    labels |= {"*First seen*", "*Last seen*"}
    for notification in hostile(text).values():
        message = payload("slack", notification)
        assert message["mrkdwn"] is False
        objects = [item for key in ("text", "fields", "elements") for item in every(message["blocks"], key)]
        texts = [item for group in objects for item in (group if isinstance(group, list) else [group])]
        for item in (item for item in texts if isinstance(item, dict)):
            if item["type"] == "mrkdwn":
                assert item["text"] in labels or re.fullmatch(
                    r"<https://errors\.example/[^ <>|]+\|[A-Za-z ]+>", item["text"]
                )
            else:
                assert_escaped(item["text"])
        assert_escaped(message["text"])


def assert_escaped(text: str) -> None:
    assert "<" not in text
    assert ">" not in text
    assert re.sub("&(?:amp|lt|gt);", "", text).count("&") == 0


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_discord_shows_markdown_and_mentions_as_text(text: str) -> None:
    for notification in hostile(text).values():
        message = payload("discord", notification)
        assert set(message) == {"embeds", "allowed_mentions"}
        assert message["allowed_mentions"] == {"parse": []}
        (embed,) = message["embeds"]
        for value in (embed["title"], embed.get("description", ""), *every(embed.get("fields", []), "value")):
            ours = re.sub(r"(?m)^\[((?:[^\\\]]|\\.)*)\]\(https://errors\.example/[a-z0-9/]*\) ·", r"\1", value)
            assert not re.search(r"[\\`*_~|<>\[\]()#+@:]", re.sub(r"\\[^0-9A-Za-z\s]", "", ours))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_teams_shows_text_in_plain_text_elements_only(text: str) -> None:
    for notification in hostile(text).values():
        card = payload("teams", notification)["attachments"][0]["content"]
        assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
        for run in (run for block in card["body"] for run in block["inlines"]):
            assert run["type"] == "TextRun"
            assert "\n" not in run["text"]
            assert "{{" not in run["text"]
        assert set(every(card, "url")) <= {
            APP.url,
            DIGEST.url,
            *(problem.url for problem in (PROBLEM, *DIGEST.problems)),
        }


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_google_chat_formats_only_what_checkend_writes(text: str) -> None:
    for notification in hostile(text).values():
        message = payload("google_chat", notification)
        for source in every(message["cardsV2"], "text"):
            assert {tag for tag, _ in Tags(source).seen} <= {"b", "br"}
            assert_escaped(re.sub("^<b>|<br>|</b>$", "", source))
        assert not re.search("[<>\n]", message["fallbackText"] + message["cardsV2"][0]["card"]["header"]["title"])


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_telegram_recognizes_nothing_in_text_from_reports(text: str) -> None:
    for notification in hostile(text).values():
        notification = replace(notification, app=APP)
        parsed = Tags(payload("telegram", notification)["text"])
        assert parsed.seen <= {("b", ()), ("code", ()), ("pre", ()), ("a", ("href",))}
        assert set(parsed.links) <= {PROBLEM.url, DIGEST.url, APP.url}
        outside = parsed.text_in[""] + parsed.text_in["b"] + parsed.text_in["a"]
        assert re.fullmatch(r"[A-Za-z0-9 :·•,.\n]+", outside)


SHOWN: dict[str, Callable[[Any], str]] = {
    "slack": lambda message: html.unescape(message["blocks"][1]["text"]["text"]),
    "discord": lambda message: re.sub(r"\\(.)", r"\1", message["embeds"][0]["description"].split("\n\n")[0]),
    "teams": lambda message: message["attachments"][0]["content"]["body"][1]["inlines"][0]["text"],
    "google_chat": lambda message: (
        Tags(message["cardsV2"][0]["card"]["sections"][0]["widgets"][1]["textParagraph"]["text"]).text
    ),
    "telegram": lambda message: Tags(message["text"]).text.split("\n")[2],
    "ntfy": lambda message: message["message"].split("\n\n")[0],
}


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("name", ["slack mentions", "markdown link", "html", "google chat mention", "smile"])
def test_readers_see_the_reported_text(kind: str, name: str) -> None:
    text = HOSTILE.get(name, "שלום 👩‍👩‍👧‍👦 `x` 100% \\o/ &amp; é")
    notification = replace(NEW, problems=(replace(PROBLEM, message=text),))
    assert SHOWN[kind](payload(kind, notification)) == text
    assert text in body(mail(notification), "plain")
    assert text in Tags(body(mail(notification), "html")).text_in["pre"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_mail_has_the_headers_and_elements_of_any_other(text: str) -> None:
    for name, notification in hostile(text).items():
        message, usual = mail(notification), usual_mail(name)
        assert message.keys() == usual.keys()
        assert [message[key] for key in ("From", "To", "Date", "Message-ID")] == [
            usual[key] for key in ("From", "To", "Date", "Message-ID")
        ]
        assert not message.defects
        assert 1 <= len(message["Subject"]) <= 200
        assert not re.search("[\x00-\x1f\x7f\u2028\u2029]", message["Subject"])
        parsed, expected = Tags(body(message, "html")), Tags(body(usual, "html"))
        assert parsed.seen <= expected.seen
        assert set(parsed.links) <= set(expected.links)


def test_every_line_of_a_mail_fits_the_limit_of_smtp() -> None:
    for text in ("x" * 100_000, "錯" * 100_000, "x\n" * 3_000):
        for notification in hostile(text).values():
            message = build_message(notification, "c@errors.example", "ada@shop.example", host="errors.example")
            assert all(len(line) <= 998 for line in message.as_bytes(policy=email.policy.SMTP).split(b"\r\n"))


# Mail


def test_mail_about_a_problem_is_threaded() -> None:
    first, second = mail(NEW), mail(replace(NEW, id="msg_9", event=Event.REOCCURRENCE))
    assert first["Message-ID"] == "<msg_2KWPBgLlAfxdpx2AI54pPJ85f4W@errors.example>"
    assert second["Message-ID"] == "<msg_9@errors.example>"
    thread = "<app-3-problem-5@errors.example>"
    assert [first["References"], first["In-Reply-To"], second["References"]] == [thread] * 3
    assert first["Subject"] == second["Subject"] == "[Shop] NoMethodError in Order#total (app/models/order.rb) (#5)"
    other = mail(replace(NEW, problems=(replace(PROBLEM, id=6),)))
    assert other["References"] == "<app-3-problem-6@errors.example>"
    assert mail(DIGEST)["References"] is None
    assert mail(TEST)["References"] is None


def test_mail_can_be_unsubscribed_from_with_one_click() -> None:
    message = mail(NEW)
    assert message["List-Unsubscribe"] == "<https://errors.example/unsubscribe/t>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "https://errors.example/unsubscribe/t" in body(message, "plain")
    without = mail(NEW, unsubscribe_url="")
    assert not {"List-Unsubscribe", "List-Unsubscribe-Post"} & set(without.keys())
    assert "Stop these emails" not in body(without, "plain") + body(without, "html")


def test_long_urls_and_ids_in_mail_headers_are_neither_folded_nor_encoded() -> None:
    host = "errors." + "subdomain." * 20 + "example"
    url = "https://errors.example/unsubscribe/" + "abcDEF123-_." * 30
    message = build_message(NEW, "c@errors.example", "a@shop.example", host=host, unsubscribe_url=url)
    for source in (message.as_bytes(), message.as_bytes(policy=email.policy.SMTP)):
        lines = source.splitlines()
        assert f"List-Unsubscribe: <{url}>".encode() in lines
        assert f"References: <app-3-problem-5@{host}>".encode() in lines
        assert f"In-Reply-To: <app-3-problem-5@{host}>".encode() in lines
        assert f"Message-ID: <{NEW.id}@{host}>".encode() in lines


def test_mail_is_dated_and_marked_as_automatic() -> None:
    message = mail(NEW)
    assert message["Date"] == "Wed, 25 Nov 2026 09:30:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert (message["From"], message["To"]) == ("Checkend <checkend@errors.example>", "ada@shop.example")
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_mail_without_url_has_no_link() -> None:
    message = mail(replace(NEW, problems=(replace(PROBLEM, url=""),), url=""), unsubscribe_url="")
    assert "http" not in body(message, "plain")
    assert Tags(body(message, "html")).links == []


def test_mail_uses_inline_styles_only() -> None:
    assert not re.search(r"<style|<link|<img|\bclass=", body(mail(NEW), "html") + body(mail(DIGEST), "html"))


@pytest.mark.parametrize("field", ["sender", "recipient", "unsubscribe_url"])
@pytest.mark.parametrize("end", ["\r\nBcc: evil@evil.example", "\nBcc: evil@evil.example", "\rBcc: x"])
def test_mail_headers_cannot_be_injected_by_settings(field: str, end: str) -> None:
    values = {
        "sender": "c@errors.example",
        "recipient": "a@shop.example",
        "unsubscribe_url": "https://errors.example/u",
    }
    values[field] += end
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        build_message(NEW, host="errors.example", **values)


@pytest.mark.parametrize("host", ["", "a b>\r\nX: y", "..", "ünï.example", "::1"])
def test_mail_has_a_valid_message_id_on_any_host(host: str) -> None:
    message = build_message(NEW, "c@errors.example", "a@shop.example", host=host)
    assert re.fullmatch(r"<[A-Za-z0-9_-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*>", message["Message-ID"])


# Truncation


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("", 3, ""),
        ("a&b", 7, "a&amp;b"),
        ("a&b", 6, "a…"),
        ("💣💣", 4, "💣💣"),
        ("💣💣💣", 5, "💣💣…"),
        ("💣💣💣", 4, "💣…"),
        ("a\x00", 2, "a␀"),
        ("a\u202eb", 9, "a…"),
        ("a\r\nb", 3, "a\nb"),
    ],
)
def test_texts_are_cut_between_characters(text: str, limit: int, expected: str) -> None:
    assert fit(text, limit, lambda character: html.escape(character, quote=False)) == expected


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from('a&<\\*_💣錯"\n'), max_size=60),
    limit=st.integers(1, 80),
    length=st.sampled_from([len, utf16_length, json_length]),
)
def test_a_truncated_text_is_a_prefix_within_the_limit(text: str, limit: int, length: Callable[[str], int]) -> None:
    limit = max(limit, length(ELLIPSIS))
    escaped = fit(text, limit, html.escape, length=length)
    shown = html.unescape(escaped)
    assert length(escaped) <= limit
    assert shown == text or (shown.endswith(ELLIPSIS) and text.startswith(shown[:-1]))


# Settings


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_requests_do_not_show_secrets_when_printed(kind: str) -> None:
    for secret in ("secret", "zyx57W2v1u123ew11", "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2", "v1,"):
        assert secret not in repr(build(kind, NEW))


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_valid_settings_are_accepted(kind: str) -> None:
    HTTP_KINDS[kind].validate(*SETTINGS[kind])


VALID_VARIANTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("webhook", {"url": "http://10.0.0.5:8080/x"}, {"signing_secrets": [SIGNING_SECRET, SIGNING_SECRET]}),
    ("slack", {}, {"url": "https://mattermost.internal:8065/hooks/abc"}),
    ("teams", {}, {"url": "https://x.example/" + "x" * 982}),
    ("telegram", {"chat_id": -42, "message_thread_id": 7}, SETTINGS["telegram"][1]),
    ("telegram", {"chat_id": "@alerts"}, SETTINGS["telegram"][1]),
    ("telegram", {"chat_id": "@alerts", "message_thread_id": ""}, SETTINGS["telegram"][1]),
    ("ntfy", {"topic": "t"}, {}),
    ("ntfy", {"topic": "t", "server": "http://ntfy.internal/"}, {"token": ""}),
]


@pytest.mark.parametrize(("kind", "config", "secrets"), VALID_VARIANTS)
def test_variants_of_settings_are_accepted(kind: str, config: dict[str, Any], secrets: dict[str, Any]) -> None:
    HTTP_KINDS[kind].validate(config, secrets)


MALFORMED_URLS: list[tuple[Any, str]] = [
    (None, "'url' is missing. Enter a URL that starts with https://"),
    ("", "'url' is missing. Enter a URL that starts with https://"),
    (5, "'url' must be a URL without spaces or non-ASCII characters (percent-encode them)."),
    ("https://x.example/a b", "'url' must be a URL without spaces or non-ASCII characters (percent-encode them)."),
    ("https://x.example/\r\nX: y", "'url' must be a URL without spaces or non-ASCII characters (percent-encode them)."),
    ("https://ü.example/", "'url' must be a URL without spaces or non-ASCII characters (percent-encode them)."),
    ("ftp://x.example/", "'url' must be a valid URL that starts with https://"),
    ("x.example/hook", "'url' must be a valid URL that starts with https://"),
    ("https://", "'url' must be a valid URL that starts with https://"),
    ("https://x.example:port/", "'url' must be a valid URL that starts with https://"),
    ("https://x.example:0/", "'url' must be a valid URL that starts with https://"),
    ("https://[::1/", "'url' must be a valid URL that starts with https://"),
    ("https://u:p@x.example/", "'url' must not contain a user name or password. Remove the part before the '@'."),
    ("https://x.example/" + "x" * 2_000, "characters."),
]


@pytest.mark.parametrize("kind", ["webhook", "slack", "discord", "teams", "google_chat"])
@pytest.mark.parametrize(("url", "expected"), MALFORMED_URLS)
def test_malformed_urls_are_rejected(kind: str, url: Any, expected: str) -> None:
    config, secrets = SETTINGS[kind]
    settings_with_url = (config | {"url": url}, secrets) if kind == "webhook" else (config, {"url": url})
    with pytest.raises(ChannelConfigError) as caught:
        HTTP_KINDS[kind].validate(*settings_with_url)
    (message,) = caught.value.messages
    assert expected in message


@pytest.mark.parametrize("kind", ["slack", "discord", "teams", "google_chat"])
def test_hosted_services_require_https(kind: str) -> None:
    with pytest.raises(ChannelConfigError, match=r"'url' must be a valid URL that starts with https://\."):
        HTTP_KINDS[kind].validate({}, {"url": "http://chat.example/hook"})


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize("place", [0, 1])
def test_unknown_settings_are_rejected(kind: str, place: int) -> None:
    values = [dict(part) for part in SETTINGS[kind]]
    values[place]["colour"] = "red"
    with pytest.raises(ChannelConfigError, match=r"^Unknown setting 'colour'\. The settings are: '[a-z_', ]+'\.$"):
        HTTP_KINDS[kind].validate(*values)


INVALID: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("webhook", {}, {"signing_secrets": []}, "'signing_secrets' is missing"),
    ("webhook", {}, {"signing_secrets": SIGNING_SECRET}, "'signing_secrets' is missing"),
    ("webhook", {}, {"signing_secrets": ["whsec_c2hvcnQ="]}, "24 to 64 bytes in base64"),
    ("webhook", {}, {"signing_secrets": ["whsec_é"]}, "24 to 64 bytes in base64"),
    ("webhook", {}, {"signing_secrets": [SIGNING_SECRET, 5]}, "24 to 64 bytes in base64"),
    ("webhook", {}, {"signing_secrets": [SIGNING_SECRET.removeprefix("whsec_")]}, "24 to 64 bytes in base64"),
    ("teams", {}, {"url": "https://x.example/" + "x" * 983}, "'url' must have at most 1,000 characters"),
    ("telegram", {"chat_id": ""}, {}, "'chat_id' is missing. Enter the numeric id of a chat"),
    ("telegram", {"chat_id": "alerts"}, {}, "'chat_id' must be the numeric id of a chat"),
    ("telegram", {"chat_id": True}, {}, "'chat_id' must be"),
    ("telegram", {"chat_id": "٣"}, {}, "'chat_id' must be"),
    ("telegram", {"message_thread_id": "topic"}, {}, "'message_thread_id' must be the numeric id of a topic"),
    ("telegram", {}, {"token": None}, "'token' is missing. Enter the bot's token"),
    ("telegram", {}, {"token": "123456:abc/../../x"}, "'token' must be the bot's token"),
    ("ntfy", {"topic": ""}, {}, "'topic' is missing"),
    ("ntfy", {"topic": "a/b"}, {}, "'topic' must be 1 to 64 letters"),
    ("ntfy", {"topic": "a\n"}, {}, "'topic' must be 1 to 64 letters"),
    ("ntfy", {"server": "ntfy.sh"}, {}, "'server' must be a valid URL that starts with https:// or http://"),
    ("ntfy", {"server": "https://ntfy.sh/alerts"}, {}, "Enter the topic as 'topic'"),
    ("ntfy", {}, {"token": "tk\r\nX: y"}, "'token' must be an access token"),
]


@pytest.mark.parametrize(("kind", "config", "secrets", "expected"), INVALID)
def test_invalid_settings_are_rejected(
    kind: str, config: dict[str, Any], secrets: dict[str, Any], expected: str
) -> None:
    valid_config, valid_secrets = SETTINGS[kind]
    with pytest.raises(ChannelConfigError) as caught:
        HTTP_KINDS[kind].validate(valid_config | config, valid_secrets | secrets)
    (message,) = caught.value.messages
    assert expected in message
    assert message.endswith(".")


def test_each_invalid_setting_is_reported() -> None:
    with pytest.raises(ChannelConfigError) as caught:
        telegram.validate({"room": "x"}, {})
    assert [message.split(".")[0] for message in caught.value.messages] == [
        "Unknown setting 'room'",
        "'chat_id' is missing",
        "'token' is missing",
    ]


def test_kinds_are_named_as_in_the_api() -> None:
    assert list(HTTP_KINDS) == ["webhook", "slack", "discord", "teams", "google_chat", "telegram", "ntfy"]
    assert {kind: module.SECRETS for kind, module in HTTP_KINDS.items() if module.SECRETS != ("url",)} == {
        "webhook": ("signing_secrets",),
        "telegram": ("token",),
        "ntfy": ("token",),
    }
    assert (slack.LABEL, discord.LABEL, HTTP_KINDS["teams"].LABEL) == ("Slack", "Discord", "Microsoft Teams")


# The reference implementation of Adaptive Cards

PARSE_CARDS = """
const { AdaptiveCard } = require('adaptivecards/dist/adaptivecards');
for (const json of JSON.parse(require('fs').readFileSync(0))) {
  const card = new AdaptiveCard();
  card.parse(json);
  const messages = card.validateProperties().validationEvents.map(event => event.message);
  console.log(JSON.stringify({ messages, body: card.toJSON().body, actions: card.toJSON().actions }));
}
"""


CARDS_PACKAGE = "adaptivecards@3.0.5"
OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")


@pytest.fixture
def node_modules(request: pytest.FixtureRequest) -> Path:
    """Return the folder with the npm package, installed once into pytest's cache; skip without Node.js or a network."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("needs Node.js with npm")
    assert request.config.cache is not None
    folder = Path(request.config.cache.mkdir("adaptivecards"))
    if not (folder / "installed").exists():
        install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        done = subprocess.run([*install, CARDS_PACKAGE], capture_output=True, text=True, timeout=120)
        if any(code in done.stderr for code in OFFLINE):
            pytest.skip("needs the npm registry, to install the package adaptivecards")
        assert done.returncode == 0, done.stderr
        (folder / "installed").touch()
    return folder / "node_modules"


def test_adaptive_cards_are_valid(node_modules: Path) -> None:
    notifications = [NEW, DIGEST, TEST, *(item for text in HOSTILE.values() for item in hostile(text).values())]
    cards = [payload("teams", item)["attachments"][0]["content"] for item in notifications]
    done = subprocess.run(
        ["node", "-e", PARSE_CARDS],
        input=json.dumps(cards),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NODE_PATH": str(node_modules)},
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"messages": [], "body": card["body"], "actions": card["actions"]} for card in cards
    ]
