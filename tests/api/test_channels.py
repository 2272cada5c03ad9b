"""Channels over the API: their settings, their secrets, and their deliveries."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from flask import Flask
from sqlalchemy import func, select
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from checkend import clock
from checkend.models import Channel, Delivery
from checkend.notifications.encryption import KEYS_FILE_NAME
from tests.support.api import Api, assert_error, assert_page, assert_times
from tests.support.factories import Factory
from tests.support.receiver import Received, Receiver

HOOK = {"kind": "webhook", "name": "Hook", "config": {"url": "https://hooks.example.com/checkend"}}
SECRET_URL = "https://hooks.slack.example.com/services/T0/B0/SecretPartOfTheUrl"
SLACK = {"kind": "slack", "name": "Team chat", "config": {"url": SECRET_URL}}
TOKEN = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"
FIELDS = (
    "id app_id kind name enabled events environments min_level min_interval_seconds spike_occurrences "
    "spike_minutes config secret_set last_delivered_at last_failed_at last_error created_at updated_at"
).split()
# What each kind takes: the settings that are shown, and those that are secret.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "webhook": ({"url": "https://hooks.example.com/checkend"}, {}),
    "email": ({"recipients": ["ops@example.com", "dev@example.com"]}, {}),
    "slack": ({}, {"url": SECRET_URL}),
    "discord": ({}, {"url": SECRET_URL}),
    "teams": ({}, {"url": SECRET_URL}),
    "google_chat": ({}, {"url": SECRET_URL}),
    "telegram": ({"chat_id": "-1001234567890"}, {"token": TOKEN}),
    "ntfy": ({"topic": "shop-alerts"}, {"token": "tk_SecretAccessToken"}),
    "github": ({"repository": "acme/shop", "labels": ["bug"]}, {"token": "github_pat_SecretToken"}),
    "gitlab": ({"project": "acme/shop"}, {"token": "glpat-SecretToken"}),
    "apprise": ({}, {"url": "gotifys://push.example.com/SecretToken"}),
}


@pytest.fixture
def path(make: Factory) -> str:
    """Provide the path of an app's channels."""
    return f"/apps/{make.app()['id']}/channels"


@pytest.fixture
def receiver(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Provide a receiver that the server may send to."""
    monkeypatch.setitem(app.config, "OUTBOUND_ALLOW", ["127.0.0.1"])
    server = Receiver()
    yield server
    server.close()


def create(api: Api, path: str, fields: dict[str, Any]) -> dict[str, Any]:
    response = api.post(path, fields)
    assert response.status_code == 201, response.get_data(as_text=True)
    channel: dict[str, Any] = response.get_json()
    return channel


def ended_deliveries(make: Factory, channel_id: int, count: int) -> None:
    """Add deliveries that failed, about the problems 1 to ``count``."""
    with make.writing() as session:
        deliveries = [
            Delivery(
                channel_id=channel_id,
                event="new_problem",
                problem_ids=[number],
                last_status=400,
                last_error="The receiver responded 400.",
                attempts=1,
            )
            for number in range(1, count + 1)
        ]
        session.add_all(deliveries)
        session.flush()  # for the default of `next_attempt_at`, which None would not override
        for delivery in deliveries:
            delivery.status, delivery.next_attempt_at = "failed", None


# Creating and reading


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_shown_without_its_secrets(kind: str, api: Api, path: str) -> None:
    shown, secrets = KINDS[kind]
    channel = create(api, path, {"kind": kind, "name": " Alerts ", "config": shown | secrets})
    signing_secret = channel.pop("signing_secret", None)
    assert (signing_secret is not None) == (kind == "webhook")
    assert sorted(channel) == sorted(FIELDS)
    assert_times(channel)
    assert channel["kind"] == kind
    assert channel["name"] == "Alerts"
    assert channel["enabled"] is True
    assert channel["events"] == ["new_problem", "reoccurrence"]
    assert channel["environments"] == []
    assert channel["min_interval_seconds"] == 0
    assert (channel["min_level"], channel["spike_occurrences"], channel["spike_minutes"]) == ("debug", 100, 5)
    assert channel["config"] == shown
    assert channel["secret_set"] is (kind != "email")
    assert (channel["last_delivered_at"], channel["last_failed_at"], channel["last_error"]) == (None, None, None)
    assert api.get(f"{path}/{channel['id']}").get_json() == channel
    assert api.get(path).get_json() == [channel]


def test_a_channel_may_be_sent_under_its_root_key_and_with_every_field(api: Api, path: str) -> None:
    fields = {
        "enabled": False,
        "events": ["reoccurrence", "reoccurrence"],
        "environments": [" production ", "production", "staging"],
        "min_level": "warning",
        "min_interval_seconds": 86_400,
        "spike_occurrences": 1_000,
        "spike_minutes": 60,
    }
    channel = create(api, path, {"channel": HOOK | fields})
    assert {name: channel[name] for name in fields} == fields | {
        "events": ["reoccurrence"],
        "environments": ["production", "staging"],
    }


def test_recipients_are_listed_once(api: Api, path: str) -> None:
    config = {"recipients": ["Ops@example.com", " ops@example.com", "dev@example.com"]}
    channel = create(api, path, {"kind": "email", "name": "Mail", "config": config})
    assert channel["config"] == {"recipients": ["Ops@example.com", "dev@example.com"]}
    assert create(api, path, {"kind": "email", "name": "Members"})["config"] == {"recipients": []}


EVENTS_MESSAGE = "Events must be one of new_problem, reoccurrence, threshold, spike, unmuted."
LEVEL_MESSAGE = "Min level must be one of debug, info, warning, error, fatal."
INTERVAL_MESSAGE = "Min interval seconds must be a whole number from 0 to 86400."
KIND_MESSAGE = (
    "Kind must be one of webhook, email, slack, discord, teams, google_chat, telegram, ntfy, github, gitlab, apprise."
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "carrier_pigeon"}, KIND_MESSAGE),
        ({"kind": None}, "Kind can't be blank."),
        ({"kind": 1}, "Kind must be text."),
        ({"name": " "}, "Name can't be blank."),
        ({"name": "x" * 256}, "Name must be at most 255 characters."),
        ({"name": "a\nb"}, "Name must not contain control characters."),
        ({"enabled": "maybe"}, "Enabled must be true or false."),
        ({"events": "new_problem"}, "Events must be a list."),
        ({"events": None}, "Events must be a list."),
        ({"events": []}, "Events must contain at least one of new_problem, reoccurrence, threshold, spike, unmuted."),
        ({"min_level": "severe"}, LEVEL_MESSAGE),
        ({"min_level": None}, LEVEL_MESSAGE),
        ({"min_level": 3}, LEVEL_MESSAGE),
        ({"spike_occurrences": 1}, "Spike occurrences must be a whole number from 2 to 1000000."),
        ({"spike_occurrences": 1_000_001}, "Spike occurrences must be a whole number from 2 to 1000000."),
        ({"spike_minutes": 0}, "Spike minutes must be a whole number from 1 to 60."),
        ({"spike_minutes": "5"}, "Spike minutes must be a whole number from 1 to 60."),
        ({"spike_minutes": 61}, "Spike minutes must be a whole number from 1 to 60."),
        ({"events": ["new_problem", "everything"]}, EVENTS_MESSAGE),
        ({"events": [None]}, EVENTS_MESSAGE),
        ({"events": [{}]}, EVENTS_MESSAGE),
        ({"environments": "production"}, "Environments must be a list."),
        ({"environments": [1]}, "Environments must be text."),
        ({"environments": [""]}, "Environments can't be blank."),
        ({"environments": [f"e{n}" for n in range(51)]}, "Environments must contain at most 50 names."),
        ({"min_interval_seconds": -1}, INTERVAL_MESSAGE),
        ({"min_interval_seconds": 86_401}, INTERVAL_MESSAGE),
        ({"min_interval_seconds": 1.5}, INTERVAL_MESSAGE),
        ({"min_interval_seconds": True}, INTERVAL_MESSAGE),
        ({"min_interval_seconds": None}, INTERVAL_MESSAGE),
        ({"config": []}, "Config must be an object."),
        ({"config": None}, "Config must be an object."),
        ({"colour": "red"}, "Unknown field: colour."),
        ({"secrets": "x"}, "Unknown field: secrets."),
        ({"signing_secret": "x"}, "Unknown field: signing_secret."),
    ],
)
def test_invalid_fields_are_rejected(changes: dict[str, Any], message: str, api: Api, path: str) -> None:
    assert_error(api.post(path, HOOK | changes), 422, message)
    assert api.get(path).get_json() == []
    channel = create(api, path, HOOK)
    assert_error(api.patch(f"{path}/{channel.pop('id')}", changes), 422, message)
    assert api.get(path).get_json()[0]["name"] == "Hook"


URL_MISSING = "'url' is missing. Enter a URL that starts with https://."
URL_INVALID = "'url' must be a valid URL that starts with https://."
URL_USER = "'url' must not contain a user name or password. Remove the part before the '@'."


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("webhook", {}, "'url' is missing. Enter a URL that starts with https:// or http://."),
        ("webhook", {"url": "ftp://x.example"}, "'url' must be a valid URL that starts with https:// or http://."),
        ("webhook", {"url": "https://u:p@x.example"}, URL_USER),
        (
            "webhook",
            {"url": "https://x.example", "method": "GET"},
            "Unknown setting 'method'. The settings are: 'url'.",
        ),
        (
            "webhook",
            {"url": "https://x.example", "signing_secrets": ["whsec_mine"]},
            "Unknown setting 'signing_secrets'. The settings are: 'url'.",
        ),
        ("email", {"to": ["a@example.com"]}, "Unknown setting 'to'. Use 'recipients'."),
        (
            "email",
            {"recipients": "a@example.com"},
            "'recipients' must be a list of at most 50 email addresses.",
        ),
        ("email", {"recipients": ["nobody"]}, "Recipient 'nobody' is not a valid email address."),
        ("email", {"recipients": [None]}, "Recipient 'None' can't be blank."),
        ("email", {"recipients": [{}]}, "Recipient '{}' must be text."),
        ("slack", {}, URL_MISSING),
        ("slack", {"url": 7}, "'url' must be a URL without spaces or non-ASCII characters (percent-encode them)."),
        ("slack", {"url": SECRET_URL, "channel": "#ops"}, "Unknown setting 'channel'. The settings are: 'url'."),
        ("discord", {"url": "http://discord.example/x"}, URL_INVALID),
        ("teams", {"url": "https://teams.example/" + "x" * 1_000}, "'url' must have at most 1,000 characters."),
        ("google_chat", {"url": ""}, URL_MISSING),
        (
            "telegram",
            {"token": "nope", "chat_id": "1"},
            "'token' must be the bot's token, such as 123456:ABC-DEF1234ghIkl….",
        ),
        (
            "ntfy",
            {"topic": "a b"},
            "'topic' must be 1 to 64 letters, digits, hyphens and underscores, such as shop-alerts.",
        ),
        (
            "github",
            {"repository": "acme/shop/x", "token": "t"},
            "'repository' must be the owner and the name, such as acme/shop.",
        ),
        (
            "github",
            {"repository": "acme/..", "token": "t"},
            "'repository' must be the owner and the name, such as acme/shop.",
        ),
        ("github", {"repository": "acme/shop"}, "'token' is missing. Enter an access token without spaces."),
        (
            "github",
            {"repository": "acme/shop", "token": "t", "labels": "bug"},
            "'labels' must be a list of at most 20 labels.",
        ),
        (
            "gitlab",
            {"project": "acme/shop", "token": "t", "labels": ["a,b"]},
            "'labels' must each have 1 to 50 characters, without commas and line breaks.",
        ),
        (
            "gitlab",
            {"project": "shop", "token": "t"},
            "'project' must be the path of a project, such as acme/shop, or its ID.",
        ),
    ],
)
def test_invalid_settings_of_a_kind_are_rejected(
    kind: str, config: dict[str, Any], message: str, api: Api, path: str
) -> None:
    response = api.post(path, {"kind": kind, "name": "Alerts", "config": config})
    assert_error(response, 422)
    assert message in response.get_json()["messages"]
    assert api.get(path).get_json() == []


@pytest.mark.parametrize("missing", ["kind", "name"])
def test_kind_and_name_are_required(missing: str, api: Api, path: str) -> None:
    fields = {name: value for name, value in HOOK.items() if name != missing}
    assert_error(api.post(path, fields), 422, f"{missing.capitalize()} can't be blank.")


def test_an_app_has_at_most_20_channels(api: Api, path: str, make: Factory) -> None:
    for _ in range(20):
        create(api, path, HOOK)
    assert_error(api.post(path, HOOK), 422, "An app can have at most 20 channels. Delete one first.")
    assert len(api.get(path).get_json()) == 20
    create(api, f"/apps/{make.app('Other')['id']}/channels", HOOK)


# Who may


def test_the_permissions_of_channels_are_those_of_apps(
    api: Api, path: str, key_for: Callable[..., dict[str, str]]
) -> None:
    one = f"{path}/{create(api, path, HOOK)['id']}"
    reader, writer = Api(api.client, key_for("apps:read")), Api(api.client, key_for("apps:write"))
    for method, route in (("POST", path), ("PATCH", one), ("DELETE", one), ("POST", f"{one}/test")):
        assert_error(reader.call(method, route, HOOK), 403, "Missing required permission: apps:write")
        assert_error(Api(api.client, {}).call(method, route, HOOK), 401, "Missing API key")
    for route in (path, one, f"{one}/deliveries"):
        assert reader.get(route).status_code == 200
        assert_error(writer.get(route), 403, "Missing required permission: apps:read")
        assert_error(Api(api.client, {}).get(route), 401, "Missing API key")


def test_channels_and_deliveries_of_another_app_are_not_found(api: Api, path: str, make: Factory) -> None:
    channel, other = create(api, path, HOOK), f"/apps/{make.app('Other')['id']}/channels"
    elsewhere = create(api, other, HOOK)
    ended_deliveries(make, channel["id"], 1)
    wrong = f"{other}/{channel['id']}"
    for method, route in (
        ("GET", wrong),
        ("PATCH", wrong),
        ("DELETE", wrong),
        ("POST", f"{wrong}/test"),
        ("POST", f"{wrong}/rotate_secret"),
        ("GET", f"{wrong}/deliveries"),
        ("GET", f"{path}/999"),
    ):
        assert_error(api.call(method, route), 404, "Channel not found.")
    assert_error(api.post(f"{other}/{elsewhere['id']}/deliveries/1/redeliver"), 404, "Delivery not found.")
    assert_error(api.get("/apps/nope/channels"), 404, "App not found.")
    assert api.get(f"{path}/{channel['id']}").status_code == 200


# Changing and deleting


def test_fields_that_are_not_sent_stay(api: Api, path: str) -> None:
    channel = create(api, path, SLACK)
    one = f"{path}/{channel['id']}"
    changed = api.patch(one, {"name": "Ops", "environments": ["production"]}).get_json()
    assert changed == channel | {
        "name": "Ops",
        "environments": ["production"],
        "updated_at": changed["updated_at"],
    }
    assert api.put(one, changed).get_json()["secret_set"] is True
    assert api.patch(one, {"config": {}}).get_json()["secret_set"] is True


def test_the_kind_cannot_be_changed(api: Api, path: str) -> None:
    one = f"{path}/{create(api, path, SLACK)['id']}"
    assert_error(api.patch(one, {"kind": "discord"}), 422, "Kind cannot be changed. Create another channel instead.")
    assert api.patch(one, {"kind": "slack", "name": "Same"}).get_json()["name"] == "Same"


def test_a_secret_can_be_replaced_and_an_optional_one_removed(api: Api, path: str) -> None:
    shown, secrets = KINDS["ntfy"]
    one = f"{path}/{create(api, path, {'kind': 'ntfy', 'name': 'Push', 'config': shown | secrets})['id']}"
    assert api.patch(one, {"config": shown | {"token": "tk_Another"}}).get_json()["secret_set"] is True
    assert api.patch(one, {"config": shown | {"token": None}}).get_json()["secret_set"] is False
    slack = f"{path}/{create(api, path, SLACK)['id']}"
    assert_error(api.patch(slack, {"config": {"url": None}}), 422, URL_MISSING)


def test_a_token_does_not_follow_to_another_server(api: Api, path: str) -> None:
    shown, secrets = KINDS["ntfy"]
    one = f"{path}/{create(api, path, {'kind': 'ntfy', 'name': 'Push', 'config': shown | secrets})['id']}"
    moved = {"server": "https://ntfy.evil.example", "topic": "shop-alerts"}
    message = "Enter 'token' again to change 'server': it is only sent to the server it was entered for."
    assert_error(api.patch(one, {"config": moved}), 422, message)
    assert api.get(one).get_json()["config"] == shown
    assert api.patch(one, {"config": moved | secrets}).get_json()["config"] == moved


def test_a_disabled_channel_gives_up_what_is_pending(api: Api, path: str, make: Factory) -> None:
    one = f"{path}/{(channel := create(api, path, HOOK))['id']}"
    ended_deliveries(make, channel["id"], 1)
    assert api.post(f"{one}/deliveries/1/redeliver").get_json()["status"] == "pending"
    assert api.patch(one, {"enabled": False}).get_json()["enabled"] is False
    [delivery] = api.get(f"{one}/deliveries").get_json()["data"]
    assert (delivery["status"], delivery["next_attempt_at"]) == ("gave_up", None)
    assert delivery["last_error"] == "The channel was disabled."
    message = "The channel is disabled. Enable it first."
    assert_error(api.post(f"{one}/deliveries/1/redeliver"), 422, message)
    api.patch(one, {"enabled": True})
    assert api.post(f"{one}/deliveries/1/redeliver").get_json()["status"] == "pending"


def test_a_deleted_channel_is_gone_with_its_deliveries(api: Api, path: str, make: Factory) -> None:
    channel = create(api, path, HOOK)
    ended_deliveries(make, channel["id"], 3)
    assert api.delete(f"{path}/{channel['id']}").status_code == 204
    assert_error(api.get(f"{path}/{channel['id']}"), 404, "Channel not found.")
    with make.writing() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 0


def test_an_app_can_be_deleted_with_its_channels(api: Api, path: str, make: Factory) -> None:
    ended_deliveries(make, create(api, path, HOOK)["id"], 3)
    assert api.delete(path.removesuffix("/channels")).status_code == 204
    with make.writing() as session:
        assert session.scalar(select(func.count()).select_from(Channel)) == 0


# Secrets


def test_no_secret_leaves_the_server(app: Flask, api: Api, path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen, secrets = [], []
    for kind, (shown, hidden) in KINDS.items():
        channel = create(api, path, {"kind": kind, "name": kind, "config": shown | hidden})
        secrets += [*hidden.values(), channel.pop("signing_secret", "")]
        one = f"{path}/{channel['id']}"
        seen.append(api.patch(one, {"name": "New", "config": shown | hidden}).get_data())
        seen += [api.get(route).get_data() for route in (one, path, f"{one}/deliveries")]
        rotated = api.post(f"{one}/rotate_secret")
        if kind == "webhook":
            secrets.append(rotated.get_json()["signing_secret"])
        else:
            assert_error(rotated, 422, "Only webhooks have a signing secret.")
        if kind in ("telegram", "slack"):
            seen.append(api.patch(one, {"config": shown | {name: f"\n{value}" for name, value in hidden.items()}}).data)
    folder = Path(app.instance_path)
    seen += [file.read_bytes() for file in folder.glob("checkend.sqlite3*")]
    seen.append(caplog.text.encode())
    assert b"channel.changed" in seen[-1]
    everything = b"".join(seen)
    assert [secret for secret in filter(None, secrets) if secret.encode() in everything] == []
    assert (folder / KEYS_FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_changes_are_in_the_audit_log(api: Api, path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "checkend.audit")
    channel = create(api, path, SLACK)
    api.patch(f"{path}/{channel['id']}", {"name": "Ops", "config": {"url": SECRET_URL}})
    api.delete(f"{path}/{channel['id']}")
    lines = [record.getMessage() for record in caplog.records if record.name == "checkend.audit"]
    assert [line.partition(" ")[0] for line in lines] == ["channel.created", "channel.changed", "channel.deleted"]
    assert "Team chat" in lines[0]
    assert '"name"' in lines[1]
    assert '"secrets"' in lines[1]


def test_secrets_whose_key_is_lost_can_be_entered_again(app: Flask, api: Api, path: str, receiver: Receiver) -> None:
    slack = f"{path}/{create(api, path, SLACK)['id']}"
    hook = f"{path}/{create(api, path, HOOK | {'config': {'url': receiver.url}})['id']}"
    (Path(app.instance_path) / KEYS_FILE_NAME).unlink()
    message = (
        f"The secrets of this channel cannot be decrypted with the file {KEYS_FILE_NAME} in the instance folder. "
        "Restore that file from a backup, or enter the secrets again."
    )
    assert api.post(f"{slack}/test").get_json() == {"status": "failed", "detail": message}
    assert_error(api.patch(slack, {"config": {}}), 422, message)
    assert api.patch(slack, {"config": {"url": SECRET_URL}}).status_code == 200
    assert api.patch(slack, {"config": {}}).status_code == 200
    secret = api.post(f"{hook}/rotate_secret").get_json()["signing_secret"]
    assert api.post(f"{hook}/test").get_json()["status"] == "delivered"
    verify(secret, receiver.requests[0])


def verify(secret: str, got: Received) -> None:
    Webhook(secret).verify(got.body, {name.lower(): value for name, value in got.headers.items()})


def test_a_replaced_signing_secret_signs_for_another_day(
    api: Api, path: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = create(api, path, HOOK | {"config": {"url": receiver.url}})
    one = f"{path}/{channel['id']}"
    rotated = api.post(f"{one}/rotate_secret")
    assert rotated.status_code == 200
    assert sorted(rotated.get_json()) == sorted([*FIELDS, "signing_secret"])
    old, new = channel["signing_secret"], rotated.get_json()["signing_secret"]
    assert old != new
    api.post(f"{one}/test")
    verify(old, receiver.requests[0])
    verify(new, receiver.requests[0])

    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(hours=24, seconds=1))
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Tomorrow)
    api.post(f"{one}/test")
    verify(new, receiver.requests[1])
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        verify(old, receiver.requests[1])


class Tomorrow(datetime):
    """The class `datetime` of a receiver whose clock is a day ahead, like that of the server."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=24)


# Tests and deliveries


def test_a_test_notification_reports_what_became_of_it(api: Api, path: str, receiver: Receiver) -> None:
    channel = create(api, path, HOOK | {"config": {"url": receiver.url}})
    one = f"{path}/{channel['id']}"
    assert api.post(f"{one}/test").get_json() == {"status": "delivered", "detail": "Delivered."}
    got = receiver.requests[0]
    verify(channel["signing_secret"], got)
    assert got.json["type"] == "test"
    assert got.json["data"] == {"app": {"id": 1, "name": "Shop", "slug": "shop"}}
    assert api.get(one).get_json()["last_delivered_at"] is not None

    receiver.script = [(500, {})]
    failed = {"status": "failed", "detail": "The receiver responded 500."}
    assert api.post(f"{one}/test").get_json() == failed
    shown = api.get(one).get_json()
    assert shown["last_error"] == failed["detail"]
    assert shown["last_failed_at"] is not None
    assert api.get(f"{one}/deliveries").get_json()["data"] == []


def test_a_test_of_loopback_and_of_mail_that_is_not_configured_fails(api: Api, path: str) -> None:
    hook = create(api, path, HOOK | {"config": {"url": "http://127.0.0.1:9/"}})
    outcome = api.post(f"{path}/{hook['id']}/test").get_json()
    assert outcome["status"] == "failed"
    assert "CHECKEND_OUTBOUND_ALLOW" in outcome["detail"]
    mail = create(api, path, {"kind": "email", "name": "Mail", "config": {"recipients": ["a@example.com"]}})
    outcome = api.post(f"{path}/{mail['id']}/test").get_json()
    assert outcome == {
        "status": "failed",
        "detail": "Mail is not configured: set CHECKEND_URL, and the mail server on the Mail page or with "
        "CHECKEND_MAIL_HOST.",
    }
    nobody = create(api, path, {"kind": "email", "name": "Members"})
    assert "no recipients" in api.post(f"{path}/{nobody['id']}/test").get_json()["detail"]


def test_a_test_holds_no_lock_while_the_receiver_takes_its_time(
    api: Api, path: str, receiver: Receiver, lock_is_free: Callable[[], bool]
) -> None:
    channel = create(api, path, HOOK | {"config": {"url": receiver.url}})
    free: list[bool] = []

    class Script(list[Any]):
        def pop(self, _: Any = -1) -> Any:
            free.append(lock_is_free())
            return super().pop(0)

    receiver.script = Script([(200, {})])
    assert api.post(f"{path}/{channel['id']}/test").get_json()["status"] == "delivered"
    assert free == [True]


def test_deliveries_are_paginated_newest_first(api: Api, path: str, make: Factory) -> None:
    one = f"{path}/{(channel := create(api, path, HOOK))['id']}"
    other = create(api, path, HOOK)
    ended_deliveries(make, channel["id"], 3)
    ended_deliveries(make, other["id"], 1)
    rows = assert_page(api.get(f"{one}/deliveries", per_page=2), 1, 2, 3, 2)
    assert [row["id"] for row in rows] == [3, 2]
    assert_times(rows[0])
    assert rows[0].pop("created_at") is not None
    assert rows[0] == {
        "id": 3,
        "event": "new_problem",
        "problem_id": 3,
        "status": "failed",
        "attempts": 1,
        "next_attempt_at": None,
        "last_status": 400,
        "last_error": "The receiver responded 400.",
        "delivered_at": None,
    }
    assert [row["id"] for row in assert_page(api.get(f"{one}/deliveries", per_page=2, page=2), 2, 2, 3, 2)] == [1]
    assert assert_page(api.get(f"{one}/deliveries", page=9), 9, 25, 3, 1) == []
    assert_error(api.get(f"{one}/deliveries", status="failed"), 422)


def test_a_delivery_that_ended_can_be_queued_again(api: Api, path: str, make: Factory) -> None:
    one = f"{path}/{(channel := create(api, path, HOOK))['id']}"
    ended_deliveries(make, channel["id"], 1)
    with make.writing() as session:
        message_id = session.get_one(Delivery, 1).message_id
    queued = api.post(f"{one}/deliveries/1/redeliver")
    assert queued.status_code == 200
    assert (queued.get_json()["status"], queued.get_json()["attempts"]) == ("pending", 0)
    assert queued.get_json()["next_attempt_at"] is not None
    assert_error(api.post(f"{one}/deliveries/1/redeliver"), 422, "This delivery is still pending.")
    assert_error(api.post(f"{one}/deliveries/2/redeliver"), 404, "Delivery not found.")
    with make.writing() as session:
        assert session.get_one(Delivery, 1).message_id == message_id
