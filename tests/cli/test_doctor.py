"""``checkend doctor``, next to a running server and without one."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkend.app import create_app
from checkend.notifications.encryption import KEYS_FILE_NAME
from checkend.services import services
from checkend.telemetry.diagnosis import storage
from checkend.telemetry.diagnosis.finding import Check, Finding, run_checks
from tests.support.mail_server import MailServer
from tests.support.receiver import Receiver
from tests.support.server_thread import served

Findings = dict[str, dict[str, str]]
Doctor = Callable[..., Findings]


@pytest.fixture
def shop(instance: Path, empty_database: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the app Shop in an instance that doctor finds nothing wrong with."""
    monkeypatch.setenv("CHECKEND_OUTBOUND_ALLOW", "127.0.0.1")
    read("app", "create", "Shop")


@pytest.fixture
def doctor(read: Any) -> Doctor:
    """Run the command with --json, and return the findings by check."""

    def examine(*arguments: str, status: int = 0) -> Findings:
        return {finding["check"]: finding for finding in read("doctor", *arguments, status=status)}

    return examine


def assert_found(findings: Findings, check: str, state: str, *parts: str) -> None:
    found = findings[check]
    assert found["state"] == state, found
    assert bool(found["advice"]) == (state != "ok")
    assert all(part in found["fact"] + found["advice"] for part in parts), found


def content(instance: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in instance.iterdir() if not path.name.endswith(("-wal", "-shm"))}


def test_it_states_a_fact_per_check_and_changes_nothing(shop: None, run: Any, doctor: Doctor, instance: Path) -> None:
    before = content(instance)
    findings = doctor()
    assert list(findings) == ["folder", "disk", "fsync", "clock", "database", "server", "proxy", "mail"]
    states = {check: found["state"] for check, found in findings.items() if found["state"] != "ok"}
    assert states.items() <= {"server": "warning", "proxy": "warning", "mail": "warning", "disk": "warning"}.items()
    assert " ms (median of 20; slowest " in findings["fsync"]["fact"]
    assert content(instance) == before
    shown = run("doctor").stdout.splitlines()
    assert shown[-2:] == [
        "warning  mail: There is no mail server, so no mail is sent.",
        "         Enter a mail server on the Mail page, or set CHECKEND_MAIL_HOST. Mail also needs CHECKEND_URL.",
    ]


def test_without_an_instance_it_creates_none(doctor: Doctor, instance: Path) -> None:
    assert_found(doctor(status=1), "folder", "error", "does not exist", "CHECKEND_INSTANCE_PATH")
    instance.mkdir(mode=0o700)
    assert_found(doctor(status=1), "database", "error", "There is no database")
    assert list(instance.iterdir()) == []


def test_other_users_must_not_read_the_folder(shop: None, doctor: Doctor, instance: Path) -> None:
    instance.chmod(0o755)
    assert_found(doctor(), "folder", "warning", "mode 755", "chmod 700")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable(shop: None, doctor: Doctor, instance: Path) -> None:
    instance.chmod(0o500)
    try:
        findings = doctor(status=1)
    finally:
        instance.chmod(0o700)
    assert_found(findings, "folder", "error", "No file can be created")
    assert findings["mail"]["state"] == "warning"  # the other checks are done all the same


def test_a_disk_that_fails_stops_no_other_check(
    shop: None, doctor: Doctor, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(storage.os, "fsync", fail)
    findings = doctor(status=1)
    assert_found(findings, "fsync", "error", "Read-only file system")
    assert findings["database"]["state"] == "ok"


def test_a_slow_disk(shop: None, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "FSYNCS", 2)
    monkeypatch.setattr(storage.os, "fsync", lambda _: time.sleep(0.06))
    assert_found(doctor(), "fsync", "warning", "Every report waits for this")


@pytest.mark.parametrize(
    ("free", "limit", "state", "part"),
    [
        (10_000_000, "0", "error", "reports are rejected"),
        (300_000_000, "1000000000", "warning", "CHECKEND_MAX_STORE_BYTES"),
        (2_000_000_000, "1000000000", "ok", "2.0 GB are free"),
    ],
)
def test_free_disk_space(
    free: int, limit: str, state: str, part: str, shop: None, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**10, 0, free))  # type: ignore[attr-defined]
    monkeypatch.setenv("CHECKEND_MAX_STORE_BYTES", limit)
    assert_found(doctor(status=1 if state == "error" else 0), "disk", state, part)


def test_a_clock_behind_the_newest_record(shop: None, doctor: Doctor, instance: Path) -> None:
    tomorrow = time.time() + 86_400
    os.utime(instance / "checkend.sqlite3", (tomorrow, tomorrow))
    assert_found(doctor(status=1), "clock", "error", "seconds later", "NTP")


def test_a_damaged_database_does_not_stop_the_other_checks(shop: None, doctor: Doctor, instance: Path) -> None:
    path = instance / "checkend.sqlite3"
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 16_384)
    before = path.read_bytes()
    findings = doctor(status=1)
    assert_found(findings, "database", "error", "checkend db restore")
    assert findings["mail"]["state"] == "warning"
    assert path.read_bytes() == before


def test_a_database_of_another_version_is_not_migrated(shop: None, doctor: Doctor, instance: Path) -> None:
    with closing(sqlite3.connect(instance / "checkend.sqlite3")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    assert_found(doctor(status=1), "database", "error", "version 0001", "checkend db upgrade")
    assert not list(instance.glob("*.before-*"))


# A running server, and proxies in front of it


@pytest.mark.parametrize(
    ("proxies", "trusted", "state", "parts"),
    [
        (0, 0, "ok", ("as configured", "127.0.0.1")),
        (1, 1, "ok", ("as configured", "198.51.100.1")),
        (1, 0, "error", ("pass a reverse proxy", "CHECKEND_TRUSTED_PROXIES=1")),
        (2, 1, "error", ("pass 2 reverse proxies", "CHECKEND_TRUSTED_PROXIES=2")),
        (0, 1, "error", ("clients can choose their IP", "CHECKEND_TRUSTED_PROXIES=0")),
        (1, 2, "error", ("clients can choose their IP", "CHECKEND_TRUSTED_PROXIES=1")),
    ],
)
def test_proxies_are_counted(
    proxies: int,
    trusted: int,
    state: str,
    parts: tuple[str, ...],
    shop: None,
    doctor: Doctor,
    instance: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = create_app({"TRUSTED_PROXIES": str(trusted)}, instance_path=instance)
    inner = app.wsgi_app

    def behind_proxies(environ: Any, start_response: Any) -> Any:
        for number in range(proxies):  # each appends the address of whoever connected to it
            sent = environ.get("HTTP_X_FORWARDED_FOR", "")
            environ["HTTP_X_FORWARDED_FOR"] = f"{sent}, 198.51.100.{number + 1}"
        return inner(environ, start_response)

    monkeypatch.setattr(app, "wsgi_app", behind_proxies)
    monkeypatch.setenv("CHECKEND_TRUSTED_PROXIES", str(trusted))
    with served(app) as server:
        monkeypatch.setenv("CHECKEND_URL", f"http://127.0.0.1:{server.port}")
        findings = doctor(status=1 if state == "error" else 0)
    services(app).close()
    assert_found(findings, "server", "ok", "A server is running")
    assert_found(findings, "proxy", state, *parts)


def test_a_proxy_that_drops_the_host(
    shop: None, doctor: Doctor, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app({}, instance_path=instance)
    inner = app.wsgi_app
    monkeypatch.setattr(app, "wsgi_app", lambda environ, start: inner(environ | {"HTTP_HOST": "backend:1"}, start))
    with served(app) as server:
        monkeypatch.setenv("CHECKEND_URL", f"http://127.0.0.1:{server.port}")
        findings = doctor(status=1)
    services(app).close()
    assert_found(findings, "proxy", "error", "arrive as http://backend:1", "X-Forwarded-Host")


def test_another_server_at_the_public_url(
    shop: None, doctor: Doctor, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app({"SECRET_KEY": "x" * 32}, instance_path=instance)
    with served(app) as server:
        monkeypatch.setenv("CHECKEND_URL", f"http://127.0.0.1:{server.port}")
        findings = doctor(status=1)
        shown = app.test_client().get("/up", headers={"Checkend-Doctor": "forged"})
    services(app).close()
    assert_found(findings, "proxy", "error", "another secret key")
    assert shown.text == "up\n"


# Mail


@pytest.fixture
def mail_settings(shop: None, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> MailServer:
    settings = {
        "URL": "http://127.0.0.1:9",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": mail_server.port,
        "MAIL_TLS": "none",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"CHECKEND_{name}", str(value))
    return mail_server


def test_mail_is_checked_without_sending_any(mail_settings: MailServer, doctor: Doctor) -> None:
    assert_found(doctor(), "mail", "ok", f"127.0.0.1:{mail_settings.port}", "without encryption")
    assert mail_settings.mails == []


def test_mail_errors_are_shown(mail_settings: MailServer, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("CHECKEND_MAIL_TLS", "starttls")
        assert_found(doctor(status=1), "mail", "error", "STARTTLS extension not supported")
        patch.setenv("CHECKEND_MAIL_TLS", "none")
        patch.setenv("CHECKEND_MAIL_USERNAME", "ada")
        assert_found(doctor(status=1), "mail", "error", "AUTH extension not supported")
    mail_settings.close()
    assert_found(doctor(status=1), "mail", "error", "Connection refused", "Check the host, the port")


# Channels


def create_webhook(read: Any, url: str) -> None:
    read("channel", "create", "shop", "webhook", "Hook", "--set", f"url={url}")


def test_a_channel_is_reached_but_not_sent_to(shop: None, doctor: Doctor, read: Any, receiver: Receiver) -> None:
    create_webhook(read, receiver.url)
    read("channel", "create", "shop", "email", "Mail")
    findings = doctor()
    assert_found(findings, "channel shop/1", "ok", "webhook 'Hook' can be reached at http://127.0.0.1:")
    assert_found(findings, "channel shop/2", "ok", "email 'Mail'")
    assert receiver.requests == []


def test_send_delivers_a_test_notification(shop: None, doctor: Doctor, read: Any, receiver: Receiver) -> None:
    create_webhook(read, receiver.url)
    assert_found(doctor("--send"), "channel shop/1", "ok", "delivered a test notification")
    assert [got.json["type"] for got in receiver.requests] == ["test"]
    receiver.script = [(500, {})]
    assert_found(doctor("--send", status=1), "channel shop/1", "error", "The receiver responded 500.")
    assert_found(doctor(), "channel shop/1", "warning", "The last attempt failed", "--send")


def test_a_forbidden_destination_and_one_that_is_down(
    shop: None, doctor: Doctor, read: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_webhook(read, receiver.url)
    create_webhook(read, "http://127.0.0.1:9/secret-path")
    down = doctor(status=1)
    assert_found(down, "channel shop/1", "ok")
    assert_found(down, "channel shop/2", "error", "Connection refused")
    monkeypatch.delenv("CHECKEND_OUTBOUND_ALLOW")
    forbidden = doctor(status=1)
    assert_found(forbidden, "channel shop/1", "error", "(loopback) is not permitted", "CHECKEND_OUTBOUND_ALLOW")
    assert "secret-path" not in str(down) + str(forbidden)


@pytest.mark.parametrize("keys", ["another key", None])
def test_secrets_that_cannot_be_decrypted(
    keys: str | None, shop: None, doctor: Doctor, read: Any, instance: Path
) -> None:
    create_webhook(read, "http://127.0.0.1:9/")
    file = instance / KEYS_FILE_NAME
    file.unlink()
    if keys:
        file.write_text(keys)
    assert_found(doctor(status=1), "channel shop/1", "error", "cannot be decrypted", KEYS_FILE_NAME)
    assert file.exists() == bool(keys)


def test_a_check_that_hangs_is_abandoned() -> None:
    hanging = Check("slow", lambda: time.sleep(1) or Finding("slow", "ok", ""))  # type: ignore[func-returns-value]
    slow, quick = run_checks([hanging, Check("quick", lambda: Finding("quick", "ok", "Done."))], seconds=0.05)
    assert (slow.state, quick.fact) == ("error", "Done.")
    assert "did not end within 0.05 seconds" in slow.fact


def test_a_mail_server_without_the_url_of_this_server(
    doctor: Doctor, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("app", "create", "Shop")  # creates the instance
    monkeypatch.setenv("CHECKEND_MAIL_HOST", "127.0.0.1")
    assert_found(doctor(), "mail", "warning", "its links need the URL of this server", "Set CHECKEND_URL.")
