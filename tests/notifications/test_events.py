"""The events that channels can choose beyond new problems: thresholds, spikes and the end of mutes; muted problems."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from checkend import clock
from checkend.app import create_app
from checkend.db.integrity import find_wrong_counters
from checkend.db.schema import database_path
from checkend.ingest.normalize import normalize_report
from checkend.ingest.pipeline import ingestion
from checkend.ingest.releases import MAX_RELEASES
from checkend.models import App, AppRelease, NotificationPreference, Problem, ProblemMinute
from checkend.services import services
from tests.support.api import Api
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.receiver import Receiver

Report = Callable[..., dict[str, Any]]
Work = Callable[[], None]
Later = Callable[[float], None]
Mute = Callable[..., None]
ALL_EVENTS = ["new_problem", "reoccurrence", "threshold", "spike", "unmuted"]


@pytest.fixture
def hook(api: Api, shop: dict[str, Any], receiver: Receiver) -> Callable[..., str]:
    """Provide a function that creates a webhook to `receiver`, and returns its path."""

    def create(*events: str, **fields: Any) -> str:
        given = {"kind": "webhook", "name": "Hook", "config": {"url": receiver.url}, "events": events or ALL_EVENTS}
        response = api.post(f"/apps/{shop['id']}/channels", given | fields)
        assert response.status_code == 201, response.get_data(as_text=True)
        return f"/apps/{shop['id']}/channels/{response.get_json()['id']}"

    return create


@pytest.fixture
def mute_problem(api: Api, shop: dict[str, Any]) -> Mute:
    """Provide a function that mutes a problem."""

    def act(problem_id: int, **terms: Any) -> None:
        response = api.post(f"/apps/{shop['id']}/problems/{problem_id}/mute", terms)
        assert response.status_code == 200, response.get_data(as_text=True)

    return act


@pytest.fixture
def problem_of(make: Factory) -> Callable[[int], Problem]:
    """Provide a function that returns a problem as it is in the database."""

    def load(problem_id: int) -> Problem:
        with make.writing() as session:
            problem: Problem = session.get_one(Problem, problem_id)
            session.refresh(problem)
            return problem

    return load


def messages(receiver: Receiver) -> list[tuple[str, Any]]:
    """Return the type and the details of what the receiver got."""
    names = {"problem.threshold": "threshold", "problem.spike": "spike", "problem.unmuted": "unmuted"}
    got = [request.json for request in receiver.requests]
    return [(body["type"], body["data"].get(names.get(body["type"], ""))) for body in got]


def repeat(report: Report, times: int, **fields: Any) -> int:
    """Report an error several times, mostly as duplicates; return its problem's id."""
    return max(report(**fields)["problem_id"] for _ in range(times))


# Thresholds


def test_each_power_of_ten_is_announced_once_however_the_occurrences_are_stored(
    hook: Callable[..., str], receiver: Receiver, report: Report, work: Work, later: Later
) -> None:
    hook("threshold")
    repeat(report, 9)
    work()
    assert receiver.requests == []
    repeat(report, 11)
    work()
    assert messages(receiver) == [("problem.threshold", {"occurrences": 10})]
    later(61)  # the next report is a notice of its own
    repeat(report, 79)
    work()
    assert len(receiver.requests) == 1
    repeat(report, 2)
    work()
    assert messages(receiver)[1:] == [("problem.threshold", {"occurrences": 100})]
    data = receiver.requests[1].json["data"]
    assert data["problem"]["notices_count"] == 2
    assert data["notice"]["environment"] == "production"


def test_a_batch_that_crosses_several_thresholds_announces_the_highest(
    app: Flask,
    shop: dict[str, Any],
    hook: Callable[..., str],
    receiver: Receiver,
    work: Work,
) -> None:
    hook("threshold")
    with app.app_context():
        pipeline = ingestion()
        found = pipeline.apps.find(shop["ingestion_key"])
        payload = {"error": {"class": "Flood"}, "context": {"environment": "production"}}
        now = clock.now()
        prepared = [pipeline.prepare(found, normalize_report(payload, now), clock.to_micros(now)) for _ in range(105)]
        pipeline.writer._store.write(prepared)
    work()
    assert messages(receiver) == [("problem.threshold", {"occurrences": 100})]


def test_thresholds_are_off_by_default(
    api: Api, shop: dict[str, Any], receiver: Receiver, report: Report, work: Work
) -> None:
    api.post(f"/apps/{shop['id']}/channels", {"kind": "webhook", "name": "Hook", "config": {"url": receiver.url}})
    repeat(report, 12)
    work()
    assert [type_ for type_, _ in messages(receiver)] == ["problem.new"]


# Mutes


def test_a_muted_problem_counts_but_notifies_nobody(
    app: Flask,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    mute_problem: Mute,
    problem_of: Callable[[int], Problem],
    later: Later,
) -> None:
    hook(spike_occurrences=5)
    problem_id = report()["problem_id"]
    mute_problem(problem_id)  # before anybody was notified of it
    repeat(report, 20)
    later(10)
    work()
    assert receiver.requests == []
    problem = problem_of(problem_id)
    assert (problem.muted, problem.occurrences) == (True, 21)
    assert find_wrong_counters(database_path(Path(app.instance_path))) == []


def test_a_problem_that_is_no_longer_muted_is_announced_again(
    api: Api,
    shop: dict[str, Any],
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    mute_problem: Mute,
) -> None:
    hook()
    problem_id = repeat(report, 5)
    work()
    mute_problem(problem_id)
    assert api.post(f"/apps/{shop['id']}/problems/{problem_id}/unmute").status_code == 200
    work()
    assert len(receiver.requests) == 1  # whoever ends a mute knows
    repeat(report, 5)
    work()
    assert messages(receiver)[1:] == [("problem.threshold", {"occurrences": 10})]


def test_what_waits_when_a_problem_is_muted_is_not_sent(
    api: Api,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Later,
    mute_problem: Mute,
) -> None:
    path = hook("new_problem", min_interval_seconds=600)
    report("First")
    work()
    second, _ = report("Second")["problem_id"], report("Third")
    work()
    mute_problem(second)
    later(700)
    work()
    assert [got.json["data"]["problem"]["error_class"] for got in receiver.requests] == ["First", "Third"]
    report("Fourth")
    work()
    fifth = report("Fifth")["problem_id"]
    work()
    mute_problem(fifth)
    later(700)
    work()
    assert len(receiver.requests) == 3
    delivery = api.get(f"{path}/deliveries").get_json()["data"][0]
    assert delivery["status"] == "gave_up"
    assert delivery["last_error"] == "The problem was deleted or muted before the notification was sent."


def end(
    app: Flask, make: Factory, problem_of: Callable[[int], Problem], receiver: Receiver, problem_id: int
) -> dict[str, Any]:
    """Return the details of the only message, about a mute that ended; check that nothing of the mute is left."""
    problem = problem_of(problem_id)
    left = [problem.muted_at, problem.muted_by, problem.muted_until, problem.mute_total, problem.mute_rate]
    assert left == [None] * 5
    assert problem.mute_until_release is False
    assert find_wrong_counters(database_path(Path(app.instance_path))) == []
    with make.writing() as session:
        assert session.scalar(select(App.muted_problems_count)) == 0
    [(type_, details)] = messages(receiver)
    assert type_ == "problem.unmuted"
    assert receiver.requests[0].json["data"]["problem"]["id"] == problem_id
    found: dict[str, Any] = details
    return found


def test_a_mute_ends_after_a_number_of_occurrences(
    app: Flask,
    make: Factory,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    mute_problem: Mute,
    problem_of: Callable[[int], Problem],
) -> None:
    hook("unmuted")
    problem_id = repeat(report, 3)
    mute_problem(problem_id, occurrences=5)
    repeat(report, 4)
    work()
    assert problem_of(problem_id).muted
    assert receiver.requests == []
    repeat(report, 2)
    work()
    assert end(app, make, problem_of, receiver, problem_id) == {"reason": "occurrences", "occurrences": 8}


def test_a_mute_ends_at_a_rate(
    app: Flask,
    make: Factory,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    mute_problem: Mute,
    problem_of: Callable[[int], Problem],
    later: Later,
) -> None:
    hook("unmuted")
    problem_id = repeat(report, 8)
    mute_problem(problem_id, occurrences=6, within_minutes=10)
    for _ in range(3):  # never 6 within 10 minutes
        repeat(report, 5)
        work()
        later(700)
    assert problem_of(problem_id).muted
    repeat(report, 5)
    later(300)
    repeat(report, 1)
    work()
    details = end(app, make, problem_of, receiver, problem_id)
    assert details == {"reason": "rate", "occurrences": 6, "minutes": 10}


def test_a_mute_ends_at_a_time(
    app: Flask,
    make: Factory,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    mute_problem: Mute,
    problem_of: Callable[[int], Problem],
    later: Later,
) -> None:
    hook("unmuted", environments=["Production"], min_level="warning")
    problem_id = report(level="warning")["problem_id"]
    mute_problem(problem_id, until=clock.iso(clock.now() + timedelta(hours=1)))
    later(3500)
    work()
    assert problem_of(problem_id).muted
    later(200)
    work()
    assert end(app, make, problem_of, receiver, problem_id) == {"reason": "until"}
    work()
    assert len(receiver.requests) == 1


def test_a_mute_ends_with_a_release_that_is_new_to_the_app(
    app: Flask,
    make: Factory,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    mute_problem: Mute,
    problem_of: Callable[[int], Problem],
) -> None:
    hook("unmuted")
    report("Other", context={"revision": "1.5.0"})
    problem_id = report()["problem_id"]
    mute_problem(problem_id, until_release=True)
    report()
    report(context={"revision": "1.5.0"})  # new to the problem, but not to the app
    work()
    assert problem_of(problem_id).muted
    report("Other", context={"revision": "1.6.0"})
    assert problem_of(problem_id).muted
    report(context={"revision": "1.6.0"})
    work()
    assert end(app, make, problem_of, receiver, problem_id) == {"reason": "release", "release": "1.6.0"}


def test_only_the_latest_releases_of_an_app_are_kept(
    make: Factory, shop: dict[str, Any], report: Report, later: Later
) -> None:
    with make.writing() as session:
        seen = clock.now() - timedelta(days=9)
        session.add_all(
            AppRelease(app_id=shop["id"], name=f"r{number}", first_seen_at=seen + timedelta(seconds=number))
            for number in range(MAX_RELEASES)
        )
    report(context={"revision": "r0"})
    report(context={"revision": "new"})
    report(context={"revision": "newer"})
    with make.writing() as session:
        names = list(session.scalars(select(AppRelease.name).order_by(AppRelease.first_seen_at)))
    assert len(names) == MAX_RELEASES
    assert (names[0], names[-2:]) == ("r2", ["new", "newer"])


def test_a_problem_that_occurs_again_shows_when(
    api: Api, shop: dict[str, Any], report: Report, problem_of: Callable[[int], Problem]
) -> None:
    problem_id = report()["problem_id"]
    assert problem_of(problem_id).regressed_at is None
    api.post(f"/apps/{shop['id']}/problems/{problem_id}/resolve")
    before = clock.now()
    report()
    regressed_at = problem_of(problem_id).regressed_at
    assert regressed_at is not None
    assert before <= regressed_at <= clock.now()


# Filters


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({}, "error"),
        ({"context": {"level": "Warn"}}, "warning"),
        ({"context": {"severity": "critical"}}, "fatal"),
        ({"level": "info"}, "info"),
        ({"level": 50}, "error"),
        ({"level": "whatever", "severity": "debug"}, "debug"),
    ],
)
def test_a_channel_can_be_limited_to_a_level(
    fields: dict[str, Any],
    level: str,
    api: Api,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
) -> None:
    levels = ["debug", "info", "warning", "error", "fatal"]
    path = hook("new_problem", min_level=level)
    report("First", **fields)
    work()
    assert len(receiver.requests) == 1
    if level != "fatal":
        api.patch(path, {"min_level": levels[levels.index(level) + 1]})
        report("Second", **fields)
        work()
        assert len(receiver.requests) == 1


def test_the_level_of_an_error_object_counts(
    hook: Callable[..., str], receiver: Receiver, report: Report, work: Work
) -> None:
    hook("new_problem", min_level="fatal")
    report("Quiet", error={"class": "Quiet"})
    report("Loud", error={"class": "Loud", "level": "alert"})
    work()
    assert [got.json["data"]["problem"]["error_class"] for got in receiver.requests] == ["Loud"]


# Spikes


def test_a_spike_is_announced_once_when_it_starts_and_once_when_it_ends(
    hook: Callable[..., str], receiver: Receiver, report: Report, work: Work, later: Later
) -> None:
    hook("spike", spike_occurrences=10, spike_minutes=5)
    repeat(report, 9)
    later(6)
    work()
    assert receiver.requests == []
    repeat(report, 3)
    for _ in range(3):
        later(6)
        work()
    assert messages(receiver) == [("problem.spike", {"state": "started", "occurrences": 12, "minutes": 5})]
    later(240)
    repeat(report, 5)  # half of a spike
    work()
    later(120)
    work()
    assert len(receiver.requests) == 1
    later(600)
    for _ in range(3):
        later(6)
        work()
    assert messages(receiver)[1:] == [("problem.spike", {"state": "ended", "occurrences": 0, "minutes": 5})]
    assert receiver.requests[1].json["data"]["problem"]["error_class"] == "NoMethodError"


def test_a_restart_neither_repeats_nor_forgets_a_spike(
    app: Flask,
    api: Api,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Later,
) -> None:
    hook("spike", spike_occurrences=10)
    repeat(report, 10)
    later(6)
    work()
    services(app).close()
    restarted = create_app(
        {"URL": "https://errors.example.com", "OUTBOUND_ALLOW": "127.0.0.1"}, instance_path=app.instance_path
    )
    worker = services(restarted).notifications
    for seconds in (6, 6, 600):
        worker.run_once()
        wait(worker)
        later(seconds)
    worker.run_once()
    wait(worker)
    services(restarted).close()
    assert [details["state"] for _, details in messages(receiver)] == ["started", "ended"]


def wait(worker: Any) -> None:
    """Wait until nothing is being sent."""
    deadline = time.monotonic() + 20
    while worker.sending:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("how", ["mute", "resolve", "delete", "unwatch", "disable"])
def test_a_spike_that_nobody_waits_for_ends_silently(
    how: str,
    api: Api,
    shop: dict[str, Any],
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Later,
    make: Factory,
    mute_problem: Mute,
) -> None:
    path = hook("spike", "new_problem", spike_occurrences=10)
    problem_id = repeat(report, 10)
    later(6)
    work()
    assert len(receiver.requests) == 2
    if how == "mute":
        mute_problem(problem_id)
    elif how == "resolve":
        api.post(f"/apps/{shop['id']}/problems/{problem_id}/resolve")
    elif how == "delete":
        with make.writing() as session:
            session.delete(session.get_one(Problem, problem_id))
    else:
        api.patch(path, {"events": ["new_problem"]} if how == "unwatch" else {"enabled": False})
    later(6)
    work()
    later(1000)
    work()
    assert len(receiver.requests) == 2


def test_channels_have_their_own_spikes_and_filters(
    hook: Callable[..., str], receiver: Receiver, report: Report, work: Work, later: Later
) -> None:
    hook("spike", name="Staging", spike_occurrences=5, environments=["staging"])
    hook("spike", name="Fatal", spike_occurrences=5, min_level="fatal")
    hook("spike", name="Rare", spike_occurrences=50)
    hook("spike", name="Wanted", spike_occurrences=5, spike_minutes=2, environments=["Production"])
    repeat(report, 10)
    later(6)
    work()
    assert messages(receiver) == [("problem.spike", {"state": "started", "occurrences": 10, "minutes": 2})]


def test_reports_are_counted_per_minute_only_where_somebody_waits_for_a_rate(
    api: Api,
    make: Factory,
    hook: Callable[..., str],
    report: Report,
    work: Work,
    later: Later,
    mute_problem: Mute,
) -> None:
    def minutes() -> int:
        with make.writing() as session:
            return session.scalar(select(func.count()).select_from(ProblemMinute)) or 0

    path = hook("new_problem")
    problem_id = report()["problem_id"]
    assert minutes() == 0
    api.patch(path, {"events": ["spike"], "spike_minutes": 10})
    report()
    report("Other")
    assert minutes() == 2
    later(500)
    work()
    assert minutes() == 2
    mute_problem(problem_id, occurrences=100, within_minutes=60)
    report()
    later(800)
    work()
    assert minutes() == 1
    later(3600)
    work()
    assert minutes() == 0


def test_without_changes_the_worker_waits_for_no_lock(
    app: Flask,
    hook: Callable[..., str],
    receiver: Receiver,
    report: Report,
    work: Work,
    later: Later,
    mute_problem: Mute,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook("spike", spike_occurrences=10)
    mute_problem(report("Muted")["problem_id"], until=clock.iso(clock.now() + timedelta(hours=1)))
    repeat(report, 10)
    later(6)
    work()
    assert len(receiver.requests) == 1
    with closing(sqlite3.connect(database_path(Path(app.instance_path)))) as other:
        other.execute("BEGIN IMMEDIATE")
        later(70)
        began = time.monotonic()
        work()
        assert time.monotonic() - began < 2
    assert "notifications are delayed" not in caplog.text


def test_members_who_chose_new_problems_get_no_mail_about_other_events(
    api: Api, shop: dict[str, Any], make: Factory, mail_server: MailServer, report: Report, work: Work
) -> None:
    ada, bob = make.user("ada@example.com"), make.user("bob@example.com")
    team = make.team(owner_id=ada)
    make.assign(team, shop["id"])
    make.join(team, bob, "member")
    make.run(lambda: NotificationPreference.set_level(bob, shop["id"], "new"))
    api.post(f"/apps/{shop['id']}/channels", {"kind": "email", "name": "Mail", "events": ALL_EVENTS})
    repeat(report, 12)
    work()
    titles = {(recipient, body(message).split("\n")[0].rstrip()) for recipient, message in mail_server.mails}
    assert titles == {
        ("ada@example.com", "New problem in Shop: NoMethodError"),
        ("bob@example.com", "New problem in Shop: NoMethodError"),
        ("ada@example.com", "Problem reached 10 occurrences in Shop: NoMethodError"),
    }


def body(message: Any) -> str:
    """Return the plain text of a mail."""
    part: bytes = message.get_payload(0).get_payload(decode=True)
    return part.decode()


# Digests


def test_a_digest_of_different_events_says_how_many_there_are(
    hook: Callable[..., str], receiver: Receiver, report: Report, work: Work, later: Later
) -> None:
    hook(min_interval_seconds=600)
    report("First")
    work()
    report("Second")
    repeat(report, 12, error_class="First")
    work()
    later(700)
    work()
    data = receiver.requests[1].json["data"]
    assert receiver.requests[1].json["type"] == "digest"
    assert (data["count"], data["events"]) == (2, {"new_problem": 1, "threshold": 1})


def test_a_later_state_replaces_one_that_waits(
    hook: Callable[..., str], receiver: Receiver, report: Report, work: Work, later: Later
) -> None:
    hook("new_problem", "spike", min_interval_seconds=3600, spike_occurrences=10)
    repeat(report, 10)
    work()
    later(6)
    work()
    later(600)
    work()
    assert len(receiver.requests) == 1
    later(3600)
    work()
    assert messages(receiver)[1:] == [("problem.spike", {"state": "ended", "occurrences": 0, "minutes": 5})]
