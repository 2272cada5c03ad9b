"""The admins of an app get one mail when a channel keeps failing, or is disabled by its receiver."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from checkend.db.session import db
from checkend.models import Channel, OutgoingMail, Team
from checkend.notifications.encryption import SecretBox
from tests.notifications.test_delivery import create
from tests.support.api import Api
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.receiver import Receiver

Report = Callable[..., dict[str, Any]]
Work = Callable[[], None]
Later = Callable[[float], None]


@pytest.fixture(autouse=True)
def team(make: Factory, shop: dict[str, Any]) -> int:
    """Let the app belong to a team with an owner, an admin and a member, and another team exist."""
    team = make.team("Core", make.user("owner@example.com"))
    make.assign(team, int(shop["id"]))
    make.join(team, make.user("admin@example.com"), "admin")
    make.join(team, make.user("member@example.com"), "member")
    make.team("Other", make.user("other@example.com"))
    make.user("root@example.com", site_admin=True)
    return team


@pytest.fixture
def hook(api: Api, shop: dict[str, Any], receiver: Receiver) -> dict[str, Any]:
    """Provide a webhook to `receiver`."""
    return create(api, shop, kind="webhook", name="Hook", config={"url": receiver.url})


def fail(report: Report, work: Work, later: Later, times: int) -> None:
    """Report a problem, and let the clock pass its first attempts."""
    report()
    for _ in range(times):
        work()
        later(40_000)


def subjects(mail_server: MailServer) -> list[tuple[str, str]]:
    return [(recipient, message["Subject"]) for recipient, message in mail_server.mails]


ADMINS = ("owner@example.com", "admin@example.com")


def test_the_fifth_failure_in_a_row_is_mailed_once_to_the_admins(
    hook: dict[str, Any], receiver: Receiver, report: Report, work: Work, later: Later, mail_server: MailServer
) -> None:
    receiver.script = [(500, {})] * 100
    fail(report, work, later, 4)
    assert mail_server.mails == []
    work()
    assert subjects(mail_server) == [(address, '[Shop] Channel "Hook" is failing') for address in ADMINS]
    payload = mail_server.mails[0][1].get_payload(decode=True)
    assert isinstance(payload, bytes)
    text = payload.decode()
    assert 'The last 5 attempts to send notifications of the app Shop through the channel "Hook" failed.' in text
    assert "Last error: The receiver responded 500." in text
    assert "https://errors.example.com/apps/shop/alerts" in text
    for _ in range(3):
        later(40_000)
        work()
    assert len(mail_server.mails) == 2


def test_a_success_ends_the_streak(
    hook: dict[str, Any], receiver: Receiver, report: Report, work: Work, later: Later, mail_server: MailServer
) -> None:
    receiver.script = [(500, {})] * 4 + [(200, {})] + [(500, {})] * 5
    fail(report, work, later, 5)
    assert mail_server.mails == []
    report("Another")
    for _ in range(5):
        work()
        later(40_000)
    assert len(mail_server.mails) == 2


@pytest.mark.parametrize(("status", "attempts"), [(410, 1), (404, 3)])
def test_a_channel_that_its_receiver_disables_is_mailed_once(
    status: int,
    attempts: int,
    hook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Later,
    mail_server: MailServer,
) -> None:
    receiver.script = [(status, {})] * 100
    fail(report, work, later, 6)
    assert len(receiver.requests) == attempts
    assert subjects(mail_server) == [(address, '[Shop] Channel "Hook" was disabled') for address in ADMINS]


def test_a_channel_that_is_disabled_later_in_the_same_streak_is_not_mailed_again(
    hook: dict[str, Any], receiver: Receiver, report: Report, work: Work, later: Later, mail_server: MailServer
) -> None:
    receiver.script = [(500, {})] * 5 + [(410, {})]
    fail(report, work, later, 7)
    assert len(receiver.requests) == 6
    assert subjects(mail_server) == [(address, '[Shop] Channel "Hook" is failing') for address in ADMINS]


def test_without_team_admins_the_site_admins_are_told(
    hook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Later,
    mail_server: MailServer,
    make: Factory,
    team: int,
) -> None:
    make.run(lambda: db.session.get_one(Team, team).delete())
    receiver.script = [(410, {})]
    fail(report, work, later, 1)
    assert [recipient for recipient, _ in mail_server.mails] == ["root@example.com"]


def test_mail_about_failing_mail_does_not_multiply(
    api: Api, shop: dict[str, Any], report: Report, work: Work, later: Later, mail_server: MailServer, make: Factory
) -> None:
    """The mail server is down: what the admins would be told waits, once, and is sent when it works again."""
    create(api, shop, kind="email", name="Mail", config={"recipients": ["ops@example.com"]})
    mail_server.recipient_response = "451 try later"
    fail(report, work, later, 9)
    mail_server.recipient_response = "250 ok"
    later(90_000)
    work()
    told = [recipient for recipient, message in mail_server.mails if "is failing" in message["Subject"]]
    assert sorted(told) == sorted(ADMINS)


def test_without_mail_nothing_is_queued(
    app: Flask, hook: dict[str, Any], receiver: Receiver, report: Report, work: Work, later: Later, make: Factory
) -> None:
    app.config["MAIL_HOST"] = ""
    receiver.script = [(410, {})]
    fail(report, work, later, 1)
    assert make.run(lambda: db.session.query(OutgoingMail).count()) == 0
    assert make.run(lambda: db.session.get_one(Channel, hook["id"]).enabled) is False


def test_the_attempt_is_recorded_although_the_admins_cannot_be_told(
    hook: dict[str, Any],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Later,
    make: Factory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise, the same message would be sent again each time its lease ends."""

    def fail_to_read(*_: Any) -> None:
        raise PermissionError("encryption_keys")

    monkeypatch.setattr(SecretBox, "seal", fail_to_read)
    receiver.script = [(410, {})]
    fail(report, work, later, 3)
    assert len(receiver.requests) == 1
    assert make.run(lambda: db.session.get_one(Channel, hook["id"]).enabled) is False
