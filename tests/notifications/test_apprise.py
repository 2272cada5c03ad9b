"""Apprise: its own notify runs against a local receiver, and connects only where the policy permits."""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from checkend.notifications import apprise as delivery
from checkend.notifications import apprise_process
from checkend.notifications.channels import apprise as kind
from checkend.notifications.channels.base import ChannelConfigError
from checkend.notifications.message import AppSummary, Event, Notification, ProblemSummary
from checkend.notifications.outbound_policy import OutboundPolicy
from checkend.notifications.outbox import Outcome
from tests.support.api import Api, assert_error
from tests.support.receiver import Receiver

TOKEN = "AbCdEf123456789"
NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
LOOPBACK = OutboundPolicy(allowed_networks=(ip_network("127.0.0.1"),))
NOTHING = OutboundPolicy(allow_private=False)
PROBLEM = ProblemSummary(7, "NoMethodError", "undefined *total*", "Cart#total", "production", "1.4", 3, NOW, NOW, "")
NOTIFICATION = Notification("msg_1", Event.NEW_PROBLEM, AppSummary(1, "Shop", "shop", ""), NOW, (PROBLEM,))


def gotify(receiver: Receiver, host: str = "127.0.0.1") -> str:
    return f"gotify://{host}:{receiver.url.rsplit(':', 1)[1].partition('/')[0]}/{TOKEN}"


@pytest.mark.slow
def test_a_notification_arrives_through_apprise(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert delivery.send(LOOPBACK, gotify(receiver), NOTIFICATION) == Outcome()
    (request,) = receiver.requests
    assert request.path.startswith("/message")
    assert request.headers["X-Gotify-Key"] == TOKEN
    assert request.json["title"] == "New problem in Shop: NoMethodError"
    assert request.json["message"].startswith("undefined *total*\n\nApp: Shop\nEnvironment: production\nRelease: 1.4\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "permanent"), [(401, False), (400, True), (500, False)], ids=["unauthorized", "bad request", "error"]
)
def test_an_error_is_reported_without_the_url(
    status: int, permanent: bool, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.script = [(status, {})]
    outcome = delivery.send(LOOPBACK, gotify(receiver), NOTIFICATION)
    assert (outcome.status, outcome.permanent) == (status, permanent)
    assert outcome.error.startswith("Apprise could not deliver the notification: ")
    assert TOKEN not in outcome.error + caplog.text


@pytest.mark.slow
def test_addresses_that_are_not_permitted_are_not_connected_to(receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost"):
        outcome = delivery.send(NOTHING, gotify(receiver, host), NOTIFICATION)
        assert outcome.permanent
        assert outcome.error.startswith("The request was rejected: 127.0.0.1 (loopback) is not permitted.")
    other = Receiver()
    try:
        receiver.script = [(302, {"Location": other.url.replace("127.0.0.1", "127.0.0.2")})]
        outcome = delivery.send(LOOPBACK, gotify(receiver), NOTIFICATION)
        assert outcome.permanent
        assert "127.0.0.2 (loopback) is not permitted" in outcome.error
        assert other.requests == []
    finally:
        other.close()
    assert len(receiver.requests) == 1


@pytest.mark.slow
def test_a_receiver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT_SECONDS", 2.0)
    hanging = Receiver(response_seconds=4)
    try:
        outcome = delivery.send(LOOPBACK, gotify(hanging), NOTIFICATION)
    finally:
        hanging.close()
    assert outcome == Outcome("The notification was not delivered within 2 seconds.")


GUARDED = """
import json, os, socket, sys
from ipaddress import ip_network
from checkend.notifications import apprise_process as process
from checkend.notifications.outbound_policy import OutboundPolicy

answers = json.loads(sys.argv[1])
socket.getaddrinfo = lambda host, port, *_, **__: [
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in answers.pop(0)
]
guard = process.Guard(OutboundPolicy(True, frozenset({"named.example"}), ()))
guard.install()
try:
    exec(sys.argv[2])
    print("done")
except Exception as error:
    print(type(error).__name__, error)
"""
CONNECT = "socket.create_connection(('rebind.example', 9), 0.2)"


@pytest.mark.parametrize(
    ("answers", "code", "printed"),
    [
        ([["169.254.169.254"]], CONNECT, "PermissionError 169.254.169.254 (cloud metadata) is not permitted."),
        ([["93.184.215.14", "127.0.0.1"]], CONNECT, "PermissionError 127.0.0.1 (loopback) is not permitted."),
        # The name resolves to a public address first, and to loopback when the connection is made.
        (
            [["93.184.215.14"], ["127.0.0.1"]],
            "socket.getaddrinfo('rebind.example', 9); socket.getaddrinfo('rebind.example', 9)",
            "PermissionError 127.0.0.1 (loopback) is not permitted.",
        ),
        ([], "socket.socket().connect(('127.0.0.1', 9))", "PermissionError 127.0.0.1 (loopback) is not permitted."),
        ([], "socket.socket().connect_ex(('127.0.0.1', 9))", "PermissionError 127.0.0.1 (loopback) is not permitted."),
        ([], "socket.socket().connect(('localhost', 9))", "PermissionError A connection to a name that was not"),
        ([], "socket.socket(socket.AF_UNIX).connect('/run/x')", "PermissionError A connection that is neither"),
        ([], "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))", "PermissionError socket.sendto"),
        ([], "open('/etc/passwd')", "PermissionError /etc/passwd is not permitted"),
        ([], "open('/usr/../etc/passwd')", "PermissionError /etc/passwd is not permitted"),
        ([], "import subprocess; subprocess.run(['true'])", "PermissionError subprocess.Popen is not permitted"),
        ([], "os.system('true')", "PermissionError os.system is not permitted"),
        ([], "os.fork()", "PermissionError os.fork is not permitted"),
        ([["127.0.0.1"]], "socket.getaddrinfo('named.example', 9)", "done"),
    ],
)
def test_the_guard_of_the_process(answers: list[list[str]], code: str, printed: str, tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", GUARDED, json.dumps(answers), code],
        capture_output=True,
        text=True,
        timeout=20,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.startswith(printed), process.stdout + process.stderr


def test_the_guard_permits_what_was_resolved_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    guard = apprise_process.Guard(OutboundPolicy())
    assert guard._look_up("hooks.example", 443) == addresses
    guard._check("socket.connect", (None, ("93.184.215.14", 443)))
    assert guard.rejection == ""


def test_the_permitted_services_exist() -> None:
    """In a process of its own, because Apprise takes a second and 40 MB."""
    code = (
        "import apprise, json\n"
        "details = apprise.Apprise().details(show_requirements=True, show_disabled=True)['schemas']\n"
        "names = [list(s.get('protocols') or []) + list(s.get('secure_protocols') or []) for s in details]\n"
        "print(json.dumps(sorted(name for part in names for name in part)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    known = set(json.loads(output))
    assert len(known) > 150
    assert known >= kind.SCHEMAS
    assert kind.SCHEMAS.isdisjoint("mailto syslog dbus json xml form fcm vapid slack discord tgram ntfy github".split())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "'url' is missing. Enter an Apprise URL such as gotify://host/token."),
        ("gotify", "'url' must be an Apprise URL such as gotify://host/token, of at most 2,000 ASCII characters."),
        ("gotify://" + "x" * 2_000, "'url' must be an Apprise URL such as gotify://host/token, of at most 2,000 ASCII"),
        ("gotify://a b", "'url' must be an Apprise URL such as gotify://host/token, of at most 2,000 ASCII"),
        ("SYSLOG://local0", "'url' must not begin with SYSLOG://. The documentation lists the services that are"),
        ("mailto://a:b@example.com", "'url' must not begin with mailto://."),
        ("fcm://project/?keyfile=/etc/passwd", "'url' must not begin with fcm://."),
    ],
)
def test_other_urls_are_rejected(url: str, message: str) -> None:
    with pytest.raises(ChannelConfigError) as error:
        kind.validate({}, {"url": url})
    assert error.value.messages[0].startswith(message)


def test_a_channel_is_created_with_the_api_and_its_url_is_not_shown(api: Api, shop: dict[str, Any]) -> None:
    body = {"kind": "apprise", "name": "Pager", "config": {"url": f"gotifys://push.example.com/{TOKEN}"}}
    created = api.post("/apps/shop/channels", body)
    assert created.status_code == 201
    assert TOKEN not in created.text
    assert (created.get_json()["secret_set"], created.get_json()["config"]) == (True, {})
    invalid = api.post("/apps/shop/channels", body | {"config": {"url": "syslog://"}})
    assert invalid.status_code == 422


def test_a_server_without_apprise_says_how_to_install_it(
    api: Api, shop: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "find_spec", lambda name: None)
    body = {"kind": "apprise", "name": "Pager", "config": {"url": f"gotifys://push.example.com/{TOKEN}"}}
    message = "The server lacks Apprise. Install checkend-server[apprise] and restart it."
    assert_error(api.post("/apps/shop/channels", body), 422, message)


@pytest.mark.slow
def test_a_reported_error_is_delivered(
    api: Api, report: Callable[..., Any], receiver: Receiver, shop: dict[str, Any], work: Callable[[], None]
) -> None:
    body = {"kind": "apprise", "name": "Pager", "config": {"url": gotify(receiver)}}
    channel = api.post("/apps/shop/channels", body).get_json()["id"]
    report("NoMethodError")
    work()
    assert [request.json["title"] for request in receiver.requests] == ["New problem in Shop: NoMethodError"]
    (row,) = api.get(f"/apps/shop/channels/{channel}/deliveries").get_json()["data"]
    assert row["status"] == "delivered"
