"""Signing in and out, and forgotten passwords."""

import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.app import create_app
from checkend.auth import login_throttle
from checkend.db.session import db
from checkend.models import Team, User, UserSession
from checkend.services import services
from tests.support.factories import Factory
from tests.support.mail_server import MailServer, send_mail
from tests.support.pages import PASSWORD, csrf_token, sign_in, submit

ADA = "ada@example.com"


def _try(client: FlaskClient, address: str = ADA, password: str = "wrong", **options: Any) -> Any:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert token
    fields = {"csrf_token": token[1], "email_address": address, "password": password}
    return client.post("/sign-in", data=fields, **options)


@pytest.fixture(autouse=True)
def ada(make: Factory) -> int:
    """Provide the id of a user."""
    return make.user(ADA)


def test_sign_in_ignores_case_and_spaces_of_the_email_address(client: FlaskClient) -> None:
    sign_in(client, " Ada@Example.com ")
    assert client.get("/account").status_code == 200
    assert submit(client, "/sign-out").location == "/sign-in"
    assert client.get("/account").status_code == 302


def test_signing_out_ends_the_session_on_the_server_too(app: Flask, client: FlaskClient) -> None:
    sign_in(client, ADA)
    cookie = client.get_cookie("checkend_session")
    assert cookie
    submit(client, "/sign-out")
    thief = app.test_client()
    thief.set_cookie("checkend_session", cookie.value)
    assert thief.get("/account").status_code == 302


def test_the_database_contains_no_session_token(app: Flask, client: FlaskClient) -> None:
    sign_in(client, ADA)
    with client.session_transaction() as session:
        token = session["_user_id"]
    with app.app_context():
        stored = db.session.query(UserSession).one()
        assert token.encode() not in stored.token_digest
        assert token not in repr(vars(stored))


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/teams?x=1&y=%C3%A9", "/teams?x=1&y=%C3%A9"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_sign_in_redirects_to_the_requested_page_and_to_no_other_site(
    client: FlaskClient, wanted: str, location: str
) -> None:
    page = client.get("/sign-in", query_string={"next": wanted})
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    fields = {"csrf_token": token[1], "email_address": ADA, "password": PASSWORD}
    assert client.post("/sign-in", query_string={"next": wanted}, data=fields).location == location


def test_a_page_that_requires_sign_in_passes_its_path_on(client: FlaskClient) -> None:
    assert client.get("/account/sessions?a=b").location == "/sign-in?next=/account/sessions?a%3Db"


@pytest.mark.parametrize("ended", ["expired", "revoked", "signed out"])
def test_a_form_sent_after_the_session_has_ended_leads_to_sign_in_and_back_to_its_page(
    client: FlaskClient, make: Factory, ended: str
) -> None:
    sign_in(client, ADA)
    token = csrf_token(client, "/account")
    if ended == "expired":
        client.delete_cookie("checkend_session")
    elif ended == "revoked":
        make.run(lambda: db.session.query(UserSession).delete())
    else:
        submit(client, "/sign-out")
    for address in ("/teams", "/problems?search=x", "/apps/shop/settings"):
        page = {"Referer": "http://localhost/problems?search=a%26b&page=2"}
        answer = client.post(address, data={"csrf_token": token, "name": "Core"}, headers=page)
        assert answer.location == "/sign-in?next=/problems?search%3Da%2526b%26page%3D2"
    shown = client.get(answer.location).text
    assert "Your session has ended, so nothing was changed." in shown
    fields = {"email_address": ADA, "password": PASSWORD}
    again = submit(client, answer.location, fields, page=answer.location)
    assert again.location == "/problems?search=a%26b&page=2"
    assert make.run(lambda: db.session.query(Team).count()) == 0


def test_a_form_from_before_the_last_sign_in_leads_back_to_its_page_and_changes_nothing(
    client: FlaskClient, make: Factory
) -> None:
    """Two tabs: the session ends, the user signs in again in one tab and submits the form in the other."""
    sign_in(client, ADA)
    outdated = csrf_token(client, "/teams")
    make.run(lambda: db.session.query(UserSession).delete())
    sign_in(client, ADA)
    page = {"Referer": "http://localhost/teams?a=b"}
    answer = client.post("/teams", data={"csrf_token": outdated, "name": "Core"}, headers=page)
    assert (answer.status_code, answer.location) == (303, "/teams?a=b")
    shown = client.get(answer.location).text
    assert "Nothing was changed because the form was loaded before you last signed in." in shown
    assert make.run(lambda: db.session.query(Team).count()) == 0
    assert client.post("/theme", data={"csrf_token": csrf_token(client, "/teams"), "theme": "dark"}).status_code == 302


@pytest.mark.parametrize(
    ("referrer", "location"),
    [("https://evil.example/teams", None), ("", None), ("http://localhost//evil.example/", "/evil.example/")],
)
def test_an_outdated_form_leads_to_no_other_site(client: FlaskClient, referrer: str, location: str | None) -> None:
    sign_in(client, ADA)
    answer = client.post("/teams", data={"csrf_token": "outdated"}, headers={"Referer": referrer})
    assert (answer.status_code, answer.location) == (303 if location else 400, location)


@pytest.mark.parametrize("referrer", ["https://evil.example/problems", "", "http://localhost"])
def test_after_the_session_has_ended_no_foreign_page_is_where_sign_in_leads(client: FlaskClient, referrer: str) -> None:
    assert client.post("/teams", headers={"Referer": referrer}).location == "/sign-in"


@pytest.mark.parametrize("address", ["/sign-out", "/theme"])
def test_the_menus_of_a_page_whose_session_has_ended_lead_to_sign_in(client: FlaskClient, address: str) -> None:
    page = {"Referer": "http://localhost/teams"}
    assert client.post(address, headers=page).location == "/sign-in?next=/teams"


def test_a_wrong_password_and_an_unknown_address_get_the_same_response(client: FlaskClient) -> None:
    known, unknown = _try(client), _try(client, "nobody@example.com")
    assert known.status_code == unknown.status_code == 422
    assert re.sub(r'value="[^"]*"', "", known.text) == re.sub(r'value="[^"]*"', "", unknown.text)
    assert "Incorrect email or password." in known.text


def test_an_unknown_address_costs_the_same_work(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from checkend.models import user

    checked: list[str] = []

    def check(digest: str, password: str) -> bool:
        checked.append(digest)
        return False

    monkeypatch.setattr(user, "check_password_hash", check)
    _try(client)
    _try(client, "nobody@example.com")
    assert len(checked) == 2
    assert checked[0].split("$")[0] == checked[1].split("$")[0]


def test_guessing_is_slowed_down_for_known_and_unknown_addresses(client: FlaskClient) -> None:
    for address in (ADA, "nobody@example.com"):
        for _ in range(login_throttle.PER_ACCOUNT):
            assert _try(client, address).status_code == 422
        refused = _try(client, address, PASSWORD)  # even with the correct password
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 15 * 60
        assert "Too many attempts" in refused.text


def test_other_client_ips_and_email_addresses_are_not_limited(app: Flask, client: FlaskClient, make: Factory) -> None:
    make.user("bob@example.com")
    for _ in range(login_throttle.PER_ACCOUNT + 1):
        _try(client)
    assert _try(client, "bob@example.com", PASSWORD).status_code == 302
    elsewhere = app.test_client()
    assert _try(elsewhere, ADA, PASSWORD, environ_base={"REMOTE_ADDR": "192.0.2.9"}).status_code == 302


def test_one_client_ip_cannot_try_many_email_addresses(client: FlaskClient, app: Flask) -> None:
    statuses = [
        _try(client, f"user{number}@example.com").status_code for number in range(login_throttle.PER_NETWORK + 3)
    ]
    assert statuses == [422] * login_throttle.PER_NETWORK + [429] * 3
    # Attempts rejected by the limit per client IP leave nothing in memory.
    assert len(services(app).login_throttle._account._attempts) == login_throttle.PER_NETWORK


def test_addresses_of_one_ipv6_network_count_as_one(client: FlaskClient) -> None:
    for number in range(login_throttle.PER_ACCOUNT):
        _try(client, environ_base={"REMOTE_ADDR": f"2001:db8::{number}"})
    assert _try(client, environ_base={"REMOTE_ADDR": "2001:db8::ffff"}).status_code == 429
    assert _try(client, environ_base={"REMOTE_ADDR": "2001:db8:1::1"}).status_code == 422


def test_ipv4_clients_of_a_socket_that_listens_on_ipv6_count_one_by_one(client: FlaskClient) -> None:
    def try_from(host: str) -> int:
        status: int = _try(client, environ_base={"REMOTE_ADDR": f"::ffff:{host}"}).status_code
        return status

    assert [try_from("192.0.2.1") for _ in range(6)][-1] == 429
    assert try_from("192.0.2.2") != 429


def test_the_wait_ends_and_success_forgives(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(login_throttle.PER_ACCOUNT + 1):
        _try(client)
    later = login_throttle.monotonic() + login_throttle.WINDOW_SECONDS + 1
    monkeypatch.setattr(login_throttle, "monotonic", lambda: later)
    for _ in range(3):
        for _ in range(login_throttle.PER_ACCOUNT - 1):
            assert _try(client).status_code == 422
        assert _try(client, ADA, PASSWORD).status_code == 302
        submit(client, "/sign-out")


def test_memory_for_tries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_throttle, "MAX_KEYS", 10)
    counted = login_throttle.AttemptLimiter(1)
    for number in range(100):
        assert counted.take(str(number)) == 0
    assert len(counted._attempts) <= 10
    assert counted.take("99") > 0


def test_the_least_recently_used_key_is_evicted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_throttle, "MAX_KEYS", 3)
    counted = login_throttle.AttemptLimiter(1)
    for key in ("a", "b", "c"):
        counted.take(key)
    assert counted.take("a") > 0
    assert counted.take("d") == 0  # evicts b
    assert [counted.take(key) > 0 for key in ("a", "c", "d")] == [True, True, True]
    assert counted.take("b") == 0


def test_keys_of_any_length_take_the_same_memory() -> None:
    counted = login_throttle.AttemptLimiter(5)
    for number in range(50):
        counted.take(str(number) + "x" * 1_000_000)
    assert sum(map(sys.getsizeof, counted._attempts)) < 50 * 100


def test_setting_the_clock_back_does_not_lock_users_out(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(login_throttle.PER_ACCOUNT):
        _try(client)
    yesterday = clock.now() - timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: yesterday)
    assert int(_try(client).headers["Retry-After"]) <= login_throttle.WINDOW_SECONDS


@pytest.mark.parametrize("path", ["/sign-in", "/forgotten-password"])
def test_an_email_address_over_255_characters_is_rejected(mailing: Flask, path: str) -> None:
    fields = {"email_address": "a" * 250 + "@example.com", "password": PASSWORD}
    answer = submit(mailing.test_client(), path, fields, page=path)
    assert answer.status_code == 422
    assert "at most 255 characters" in answer.text
    assert not services(mailing).login_throttle._network._attempts


def test_a_session_ends_after_thirty_days_without_use(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, ADA)
    moment = clock.now()
    for days in (20, 40, 71):
        now = moment + timedelta(days=days)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        expected = 302 if days == 71 else 200
        assert client.get("/account").status_code == expected


def test_a_session_ends_ninety_days_after_signing_in_however_active(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, ADA)
    moment = clock.now()
    for days in (25, 50, 75, 89, 91):
        now = moment + timedelta(days=days)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        assert client.get("/account").status_code == (302 if days == 91 else 200)


def test_the_lifetime_of_sessions_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app({"SESSION_DAYS": 1}, instance_path=tmp_path / "short")
    Factory(app).user(ADA)
    client = app.test_client()
    sign_in(client, ADA)
    assert "at the latest 1 day after sign-in" in client.get("/account/sessions").text
    later = clock.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert client.get("/account").status_code == 302
    services(app).close()


def test_without_mail_the_page_says_whom_to_ask(client: FlaskClient) -> None:
    text = client.get("/forgotten-password").text
    assert "Ask a site admin to create a password link" in text
    assert 'name="email_address"' not in text


def test_a_forgotten_password_is_renewed_by_mail(mailing: Flask, mail_server: MailServer) -> None:
    client = mailing.test_client()
    answer = submit(client, "/forgotten-password", {"email_address": "ADA@example.com"}, page="/forgotten-password")
    assert "we are sending it a link" in answer.text
    send_mail(mailing)
    (recipient, mail), *more = mail_server.mails
    assert (recipient, mail["To"], more) == (ADA, ADA, [])
    assert "errors.example.com" in mail["From"]
    link = re.search(r"https://errors\.example\.com(/new-password/\S+)", mail.get_payload(decode=True).decode())
    assert link
    answer = submit(client, link[1], {"password": "battery staple"}, page=link[1])
    assert answer.location == "/account"
    assert client.get("/account").status_code == 200
    sign_in(mailing.test_client(), ADA, "battery staple")
    assert client.get(link[1]).status_code == 404


def test_requesting_mail_does_not_reveal_whether_an_account_exists(mailing: Flask, mail_server: MailServer) -> None:
    client = mailing.test_client()

    def ask(address: str) -> str:
        answer = submit(client, "/forgotten-password", {"email_address": address}, page="/forgotten-password")
        assert answer.status_code == 200
        return re.sub(r'value="[^"]*"', "", answer.text)

    assert ask("nobody@example.com") == ask(ADA)
    send_mail(mailing)
    assert [recipient for recipient, _ in mail_server.mails] == [ADA]


def test_a_mailbox_cannot_be_flooded(mailing: Flask, mail_server: MailServer) -> None:
    client = mailing.test_client()
    statuses = [
        submit(client, "/forgotten-password", {"email_address": ADA}, page="/forgotten-password").status_code
        for _ in range(login_throttle.PER_ACCOUNT + 1)
    ]
    assert statuses == [200] * login_throttle.PER_ACCOUNT + [429]


def test_links_in_mail_do_not_follow_a_forged_host(mailing: Flask, mail_server: MailServer) -> None:
    client = mailing.test_client()
    forged = "http://evil.example"
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/forgotten-password", base_url=forged).text)
    assert token
    fields = {"csrf_token": token[1], "email_address": ADA}
    assert client.post("/forgotten-password", data=fields, base_url=forged).status_code == 200
    send_mail(mailing)
    assert "evil.example" not in mail_server.mails[0][1].as_string()


def _link(app: Flask, user_id: int) -> str:
    from checkend.auth import password_reset

    with app.test_request_context():
        return f"/new-password/{password_reset.create_token(db.session.get_one(User, user_id))}"


def test_a_password_link_works_once_and_signs_out_all_sessions(app: Flask, client: FlaskClient, ada: int) -> None:
    sign_in(client, ADA)
    link, other = _link(app, ada), app.test_client()
    assert submit(other, link, {"password": "battery staple"}, page=link).status_code == 302
    assert client.get("/account").status_code == 302
    assert other.get("/account").status_code == 200
    assert app.test_client().get(link).status_code == 404


@pytest.mark.parametrize("password", ["short", "", PASSWORD])
def test_a_link_does_not_set_a_short_or_recent_password(
    app: Flask, client: FlaskClient, ada: int, password: str
) -> None:
    link = _link(app, ada)
    assert submit(client, link, {"password": password}, page=link).status_code == 422
    sign_in(client, ADA)


def test_old_forged_and_foreign_links_are_rejected(app: Flask, client: FlaskClient, ada: int) -> None:
    link = _link(app, ada)
    assert client.get(link).status_code == 200
    changed = link[:-9] + ("A" if link[-9] != "A" else "B") + link[-8:]  # the last character contains unused bits
    for forged in (changed, "/new-password/x", "/new-password/W10.x.y"):
        assert client.get(forged).status_code == 404


def test_a_link_is_refused_after_a_day(
    app: Flask, client: FlaskClient, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import itsdangerous.timed as timed

    link = _link(app, ada)
    day_ahead = timed.time.time() + 24 * 3600 + 5
    monkeypatch.setattr(timed.time, "time", lambda: day_ahead)
    assert client.get(link).status_code == 404
