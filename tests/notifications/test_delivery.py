"""From a report to a delivered notification, and what happens when the receiver does not cooperate."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, func, select
from standardwebhooks.webhooks import Webhook

from checkend.models import Delivery, Problem, ProblemEvent
from checkend.notifications import http
from checkend.notifications.channels.base import OutgoingRequest
from checkend.services import services
from tests.support.api import Api, assert_error
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.receiver import Receiver

Report = Callable[..., dict[str, Any]]
Work = Callable[[], None]


@pytest.fixture
def webhook(api: Api, shop: dict[str, Any], receiver: Receiver) -> dict[str, Any]:
    """Provide a webhook to `receiver`, as the response that created it shows it."""
    return create(api, shop, kind="webhook", name="Hook", config={"url": receiver.url})


def create(api: Api, shop: dict[str, Any], **fields: Any) -> dict[str, Any]:
    response = api.post(f"/apps/{shop['id']}/channels", fields)
    assert response.status_code == 201, response.get_data(as_text=True)
    channel: dict[str, Any] = response.get_json()
    return channel


def deliveries(api: Api, shop: dict[str, Any], channel: dict[str, Any]) -> list[dict[str, Any]]:
    response = api.get(f"/apps/{shop['id']}/channels/{channel['id']}/deliveries")
    assert response.status_code == 200
    rows: list[dict[str, Any]] = response.get_json()["data"]
    return rows


def test_a_new_problem_is_delivered_once_and_signed(
    api: Api, shop: dict[str, Any], webhook: dict[str, Any], receiver: Receiver, report: Report, work: Work
) -> None:
    sent = report()
    report()  # a duplicate
    work()
    assert len(receiver.requests) == 1
    got = receiver.requests[0]
    Webhook(webhook["signing_secret"]).verify(got.body, {name.lower(): value for name, value in got.headers.items()})
    problem = api.get(f"/apps/{shop['id']}/problems/{sent['problem_id']}").get_json()
    assert got.json["type"] == "problem.new"
    assert got.json["data"]["app"] == {"id": shop["id"], "name": "Shop", "slug": "shop"}
    assert got.json["data"]["problem"] == problem
    notice = got.json["data"]["notice"]
    assert notice["environment"] == "production"
    assert notice["release"] == "1.4.2"
    assert notice["message"] == "NoMethodError happened"
    assert notice["frames"] == ["/srv/shop/app/models/nomethoderror.rb:41 in total"]
    [delivery] = deliveries(api, shop, webhook)
    assert (delivery["status"], delivery["attempts"], delivery["last_status"]) == ("delivered", 1, 200)
    assert delivery["event"] == "new_problem"
    assert delivery["problem_id"] == sent["problem_id"]
    metrics = api.client.get("/metrics").get_data(as_text=True)
    assert 'checkend_notifications_total{channel="problems",outcome="sent"} 1.0' in metrics


def test_deliveries_do_not_count_as_changes_of_the_channel(
    api: Api, shop: dict[str, Any], webhook: dict[str, Any], report: Report, work: Work, later: Callable[[float], None]
) -> None:
    path = f"/apps/{shop['id']}/channels/{webhook['id']}"
    later(60)
    report()
    work()
    channel = api.get(path).get_json()
    assert channel["last_delivered_at"] > webhook["updated_at"] == channel["updated_at"]
    assert api.patch(path, {"name": "Other"}).get_json()["updated_at"] > channel["updated_at"]


def test_a_resolved_problem_that_occurs_again_is_delivered_as_reoccurrence(
    api: Api, shop: dict[str, Any], webhook: dict[str, Any], receiver: Receiver, report: Report, work: Work
) -> None:
    problem_id = report()["problem_id"]
    work()
    assert api.post(f"/apps/{shop['id']}/problems/{problem_id}/resolve").status_code == 200
    report()
    work()
    assert [got.json["type"] for got in receiver.requests] == ["problem.new", "problem.reoccurred"]


@pytest.mark.parametrize(
    ("flags", "types"),
    [
        ({"notify_on_new_problem": False}, ["problem.reoccurred"]),
        ({"notify_on_reoccurrence": False}, ["problem.new"]),
    ],
)
def test_the_apps_flags_turn_events_off(
    flags: dict[str, bool],
    types: list[str],
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
) -> None:
    api.patch(f"/apps/{shop['id']}", flags)
    problem_id = report()["problem_id"]
    api.post(f"/apps/{shop['id']}/problems/{problem_id}/resolve")
    report()
    work()
    assert [got.json["type"] for got in receiver.requests] == types


def test_a_channel_can_be_limited_to_environments_and_events(
    api: Api, shop: dict[str, Any], webhook: dict[str, Any], receiver: Receiver, report: Report, work: Work
) -> None:
    path = f"/apps/{shop['id']}/channels/{webhook['id']}"
    assert api.patch(path, {"environments": ["Production"]}).status_code == 200
    report("InStaging", environment="staging")
    report("InProduction", environment="production")
    work()
    assert [got.json["data"]["problem"]["error_class"] for got in receiver.requests] == ["InProduction"]
    assert api.patch(path, {"events": ["reoccurrence"], "environments": []}).status_code == 200
    report("Later")
    work()
    assert len(receiver.requests) == 1
    assert api.patch(path, {"enabled": False, "events": ["new_problem"]}).status_code == 200
    report("WhileDisabled")
    work()
    assert len(receiver.requests) == 1


def test_a_burst_becomes_a_few_messages_that_name_every_problem(
    webhook: dict[str, Any], receiver: Receiver, report: Report, work: Work, later: Callable[[float], None]
) -> None:
    names = [f"Burst{number:03}Error" for number in range(60)]
    for name in names[:30]:
        report(name)
    work()
    for name in names[30:]:
        report(name)
    work()
    assert [got.json["type"] for got in receiver.requests] == ["problem.new"] * 5
    later(301)
    work()
    assert [got.json["type"] for got in receiver.requests[5:]] == ["digest"]
    digest = receiver.requests[5].json["data"]
    assert digest["count"] == 55
    singles = [got.json["data"]["problem"]["error_class"] for got in receiver.requests[:5]]
    assert sorted(singles + [problem["error_class"] for problem in digest["problems"]]) == names
    later(600)
    report("AfterTheBurst")
    work()
    assert receiver.requests[-1].json["type"] == "problem.new"


CHAT_URL = {"url": "https://chat.example.com/hook"}
KINDS: dict[str, dict[str, Any]] = {
    "webhook": CHAT_URL,
    "slack": CHAT_URL,
    "discord": CHAT_URL,
    "teams": CHAT_URL,
    "google_chat": CHAT_URL,
    "telegram": {"chat_id": "42", "token": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"},
    "ntfy": {"topic": "shop"},
}


@pytest.mark.slow
def test_hundreds_of_problems_are_named_in_a_handful_of_messages_of_every_kind(
    api: Api,
    shop: dict[str, Any],
    report: Report,
    work: Work,
    later: Callable[[float], None],
    mail_server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: dict[str, list[str]] = {}

    def receive(_: http.OutboundPolicy, request: OutgoingRequest) -> http.HttpResponse:
        sent.setdefault(request.url, []).append(request.body.decode().replace("\\\\", ""))
        return http.HttpResponse(200, {}, b"")

    monkeypatch.setattr(http, "send", receive)
    for kind, config in KINDS.items():
        given = dict(config) if config is not CHAT_URL else {"url": f"{CHAT_URL['url']}/{kind}"}
        create(api, shop, kind=kind, name=kind, config=given)
    create(api, shop, kind="email", name="email", config={"recipients": ["ada@example.com"]})
    names = {report(f"Burst{number:04}Error")["problem_id"]: f"Burst{number:04}Error" for number in range(400)}
    work()
    later(301)
    work()
    sent["email"] = [mail.as_string() for _, mail in mail_server.mails]
    assert len(sent) == len(KINDS) + 1
    for receiver_url, messages in sent.items():
        assert len(messages) <= 10, receiver_url
        whole = "\n".join(messages)
        assert [name for name in names.values() if name not in whole] == [], receiver_url


def test_a_minimum_interval_collects_what_comes_too_soon(
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Callable[[float], None],
) -> None:
    api.patch(f"/apps/{shop['id']}/channels/{webhook['id']}", {"min_interval_seconds": 3600})
    report("First")
    work()
    report("Second")
    report("Third")
    later(3500)
    work()
    assert len(receiver.requests) == 1
    later(200)
    work()
    assert receiver.requests[1].json["type"] == "digest"
    assert [p["error_class"] for p in receiver.requests[1].json["data"]["problems"]] == ["Second", "Third"]


def test_a_single_problem_that_comes_too_soon_is_announced_by_its_own_event(
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Callable[[float], None],
) -> None:
    api.patch(f"/apps/{shop['id']}/channels/{webhook['id']}", {"min_interval_seconds": 3600})
    problem_id = report()["problem_id"]
    work()
    api.post(f"/apps/{shop['id']}/problems/{problem_id}/resolve")
    report()
    work()
    assert len(receiver.requests) == 1
    later(3700)
    work()
    assert [got.json["type"] for got in receiver.requests] == ["problem.new", "problem.reoccurred"]


def test_nothing_is_added_to_a_digest_that_is_sent_again(
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Callable[[float], None],
) -> None:
    path = f"/apps/{shop['id']}/channels/{webhook['id']}"
    api.patch(path, {"min_interval_seconds": 3600})
    for name in ("First", "Second", "Third"):
        report(name)
    work()
    later(3700)
    work()
    later(10)
    assert api.post(f"{path}/deliveries/{deliveries(api, shop, webhook)[0]['id']}/redeliver").status_code == 200
    report("Fourth")
    work()
    later(3700)
    work()
    digest, repeated = receiver.requests[1:3]
    assert digest.headers["webhook-id"] == repeated.headers["webhook-id"]
    assert [len(got.json["data"]["problems"]) for got in (digest, repeated)] == [2, 2]
    assert receiver.requests[3].json["data"]["problem"]["error_class"] == "Fourth"


def test_failures_are_retried_with_the_same_id_until_the_receiver_recovers(
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Callable[[float], None],
) -> None:
    receiver.script = [(500, {}), (429, {"Retry-After": "120"})]
    report()
    work()
    [delivery] = deliveries(api, shop, webhook)
    assert (delivery["status"], delivery["last_status"]) == ("pending", 500)
    assert delivery["last_error"] == "The receiver responded 500."
    work()
    assert len(receiver.requests) == 1  # it is not due yet
    later(40)
    work()
    later(100)
    work()
    assert len(receiver.requests) == 2  # Retry-After is not over
    later(60)
    work()
    assert len(receiver.requests) == 3
    assert len({got.headers["webhook-id"] for got in receiver.requests}) == 1
    [delivery] = deliveries(api, shop, webhook)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 3)


def test_a_receiver_that_stays_down_is_given_up_after_a_day(
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Callable[[float], None],
) -> None:
    receiver.script = [(500, {})] * 20
    report()
    hours = 0
    work()
    while (delivery := deliveries(api, shop, webhook)[0])["status"] == "pending":
        later(3600)
        work()
        hours += 1
        assert hours < 40
    assert delivery["status"] == "gave_up"
    assert delivery["attempts"] == 11
    assert hours >= 20
    channel = api.get(f"/apps/{shop['id']}/channels/{webhook['id']}").get_json()
    assert channel["enabled"] is True
    assert channel["last_error"] == "The receiver responded 500."
    path = f"/apps/{shop['id']}/channels/{webhook['id']}/deliveries/{delivery['id']}/redeliver"
    receiver.script = []
    assert api.post(path).get_json()["status"] == "pending"
    assert_error(api.post(path), 422, "This delivery is still pending.")
    work()
    assert deliveries(api, shop, webhook)[0]["status"] == "delivered"


@pytest.mark.parametrize(("status", "attempts"), [(410, 1), (401, 3), (403, 3), (404, 3)])
def test_a_receiver_that_rejects_for_good_disables_the_channel(
    status: int,
    attempts: int,
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Callable[[float], None],
) -> None:
    receiver.script = [(status, {})] * 10
    report()
    for _ in range(6):
        work()
        later(1000)
    assert len(receiver.requests) == attempts
    channel = api.get(f"/apps/{shop['id']}/channels/{webhook['id']}").get_json()
    assert channel["enabled"] is False
    assert channel["last_error"] == f"The receiver responded {status}."
    assert deliveries(api, shop, webhook)[0]["status"] == "failed"


def test_a_channel_that_is_disabled_while_it_is_sent_to_is_not_tried_again(
    api: Api, shop: dict[str, Any], webhook: dict[str, Any], receiver: Receiver, report: Report, work: Work
) -> None:
    class Script(list[Any]):
        def pop(self, _: Any = -1) -> Any:
            api.patch(f"/apps/{shop['id']}/channels/{webhook['id']}", {"enabled": False})
            return super().pop()

    receiver.script = Script([(500, {})])
    report()
    work()
    [delivery] = deliveries(api, shop, webhook)
    assert (delivery["status"], delivery["next_attempt_at"], delivery["attempts"]) == ("gave_up", None, 1)


def trickle(connection: socket.socket) -> None:
    """Respond with a byte now and then, until the sender loses patience."""
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\n" * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)


def flood(connection: socket.socket) -> None:
    """Respond with a body of 10 GB."""
    with suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)


@pytest.mark.parametrize(
    ("respond", "status", "error"),
    [
        (trickle, "pending", "no response within 0.3 seconds"),
        (lambda connection: time.sleep(0.5), "pending", "no response within 0.3 seconds"),
        (lambda connection: None, "pending", "the connection was closed before a response arrived"),
        (flood, "delivered", None),
    ],
    ids=["trickles", "hangs", "closes", "10 GB"],
)
def test_a_receiver_that_misbehaves_holds_nothing_up(
    respond: Callable[[socket.socket], None],
    status: str,
    error: str | None,
    api: Api,
    shop: dict[str, Any],
    report: Report,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert http.send.__kwdefaults__ is not None
    monkeypatch.setitem(http.send.__kwdefaults__, "timeout", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                respond(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        channel = create(api, shop, kind="webhook", name="Hook", config={"url": url})
        report()
        started = time.monotonic()
        work()
        assert time.monotonic() - started < 5
        thread.join(5)
    [delivery] = deliveries(api, shop, channel)
    assert delivery["status"] == status
    assert (error or "") in (delivery["last_error"] or "")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_other_client_errors_are_not_retried(
    status: int,
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Callable[[float], None],
) -> None:
    receiver.script = [(status, {})]
    report()
    work()
    later(100_000)
    work()
    assert len(receiver.requests) == 1
    assert deliveries(api, shop, webhook)[0]["status"] == "failed"
    assert api.get(f"/apps/{shop['id']}/channels/{webhook['id']}").get_json()["enabled"] is True


def test_redirects_and_loopback_are_not_followed(
    api: Api, shop: dict[str, Any], webhook: dict[str, Any], receiver: Receiver, report: Report, work: Work
) -> None:
    receiver.script = [(302, {"Location": receiver.url})]
    forbidden = create(api, shop, kind="webhook", name="Metadata", config={"url": "http://169.254.169.254/latest"})
    report()
    work()
    assert len(receiver.requests) == 1
    assert deliveries(api, shop, webhook)[0]["status"] == "failed"
    [delivery] = deliveries(api, shop, forbidden)
    assert delivery["status"] == "failed"
    assert "169.254.169.254" in delivery["last_error"]


def test_a_receiver_that_hangs_does_not_hold_up_the_end_of_the_server(app: Flask, api: Api, report: Report) -> None:
    slow = Receiver(response_seconds=3)
    api.post("/apps/shop/channels", {"kind": "webhook", "name": "Slow", "config": {"url": slow.url}})
    report()
    worker = services(app).notifications
    worker.run_once()
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 2.9
    assert worker.sending == 1
    sending = [thread for thread in threading.enumerate() if thread.name == "checkend-delivery"]
    assert [thread.daemon for thread in sending] == [True]  # the process ends without them
    slow.close()
    sending[0].join(10)


def test_mail_goes_to_the_members_of_the_apps_teams(
    api: Api, shop: dict[str, Any], make: Factory, mail_server: MailServer, report: Report, work: Work
) -> None:
    team = make.team(owner_id=make.user("ada@example.com"))
    make.assign(team, shop["id"])
    make.join(team, make.user("bob@example.com"), "member")
    make.user("stranger@example.com")
    create(api, shop, kind="email", name="Mail")
    report()
    work()
    assert sorted(recipient for recipient, _ in mail_server.mails) == ["ada@example.com", "bob@example.com"]
    message = mail_server.mails[0][1]
    assert "NoMethodError" in message["Subject"]
    assert message["List-Unsubscribe"].strip().startswith("<https://errors.example.com/unsubscribe/")


@pytest.mark.parametrize(
    ("response", "status", "error"),
    [
        ("451 greylisted", "pending", "The mail server responded 451: greylisted"),
        ("550 no such user", "failed", "The mail server responded 550: no such user"),
    ],
)
def test_a_recipient_that_the_mail_server_rejects(
    response: str,
    status: str,
    error: str,
    api: Api,
    shop: dict[str, Any],
    mail_server: MailServer,
    report: Report,
    work: Work,
) -> None:
    mail_server.recipient_response = response
    mail = create(api, shop, kind="email", name="Mail", config={"recipients": ["ada@example.com"]})
    report()
    work()
    [delivery] = deliveries(api, shop, mail)
    assert (delivery["status"], delivery["last_error"]) == (status, error)
    assert delivery["last_status"] == int(response[:3])


def test_mail_is_tried_again_when_the_mail_server_is_down(
    api: Api, shop: dict[str, Any], mail_server: MailServer, report: Report, work: Work
) -> None:
    mail_server.close()
    mail = create(api, shop, kind="email", name="Mail", config={"recipients": ["ada@example.com"]})
    report()
    work()
    [delivery] = deliveries(api, shop, mail)
    assert (delivery["status"], delivery["attempts"]) == ("pending", 1)
    assert delivery["last_error"].startswith("The mail could not be sent: ")
    outcome = api.post(f"/apps/{shop['id']}/channels/{mail['id']}/test")
    assert (outcome.status_code, outcome.get_json()["status"]) == (200, "failed")


def test_a_deleted_problem_is_not_announced(
    api: Api,
    shop: dict[str, Any],
    webhook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    make: Factory,
) -> None:
    problem_id = report()["problem_id"]
    with make.writing() as session:
        session.execute(delete(Problem).where(Problem.id == problem_id))
    work()
    assert receiver.requests == []
    assert deliveries(api, shop, webhook) == []


def test_without_a_channel_events_leave_nothing_behind(make: Factory, report: Report, work: Work) -> None:
    report()
    work()
    with make.writing() as session:
        assert session.scalar(select(func.count()).select_from(ProblemEvent)) == 0
        assert session.scalar(select(func.count()).select_from(Delivery)) == 0
