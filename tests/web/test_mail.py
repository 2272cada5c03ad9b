"""The mail settings of the dashboard: they take effect at once, the configuration wins, the password stays secret."""

import email
import logging
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from email import policy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.cli import main
from checkend.db.connection import DATABASE_FILE_NAME
from checkend.db.session import db
from checkend.models import App, Channel, Team, User, audit_log
from checkend.notifications import smtp
from checkend.services import services
from tests.support.factories import Factory
from tests.support.mail_server import MailServer, send_mail
from tests.support.pages import follow, sign_in, submit
from tests.support.tls_mail_server import PASSWORD, USERNAME, CertificateAuthority, TlsMailServer

ROOT = "root@example.com"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """Provide a server without mail settings that may send to loopback, with a site admin who owns the team Core."""
    app = create_app({"URL": "https://errors.example.com", "OUTBOUND_ALLOW": "127.0.0.1"}, instance_path=tmp_path)
    Factory(app).user(ROOT, site_admin=True)
    Factory(app).run(lambda: Team.create("Core", db.session.get_one(User, 1)))
    yield app
    services(app).close()


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    """Provide a browser in which the site admin is signed in."""
    client = app.test_client()
    sign_in(client, ROOT)
    return client


def settings(number: int, **changes: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": str(number), "tls": "none", "username": "", "password": ""} | changes


def save(client: FlaskClient, port: int, **changes: Any) -> str:
    """Save the settings; return the page that follows."""
    return follow(client, submit(client, "/mail", settings(port, **changes)))


def send_test(client: FlaskClient, address: str = ROOT) -> str:
    """Send a test message; return the text of the message about it."""
    page = follow(client, submit(client, "/mail/test", {"email_address": address}))
    found = re.search(r'class="alert alert-(?:success|danger)">([^<]*)', page)
    assert found, page
    return found[1]


def stored(app: Flask) -> dict[str, Any]:
    with closing(sqlite3.connect(Path(app.instance_path) / DATABASE_FILE_NAME)) as database:
        database.row_factory = sqlite3.Row
        return dict(database.execute("SELECT * FROM mail_settings").fetchone() or {})


def test_settings_take_effect_without_a_restart(app: Flask, admin: FlaskClient, mail_server: MailServer) -> None:
    guest = app.test_client()
    assert "This server cannot send mail." in guest.get("/forgotten-password").text
    page = save(admin, mail_server.port, from_address="Errors <errors@example.com>")
    assert "Mail settings saved." in page
    submit(guest, "/forgotten-password", {"email_address": ROOT}, page="/forgotten-password")
    submit(admin, "/teams/core/invitations", {"email_address": "guest@example.com", "role": "member"})
    send_mail(app)
    assert [recipient for recipient, _ in mail_server.mails] == [ROOT, "guest@example.com"]
    assert mail_server.mails[0][1]["From"] == "Errors <errors@example.com>"
    assert "Mail settings deleted." in follow(admin, submit(admin, "/mail/delete"))
    assert "This server cannot send mail." in guest.get("/forgotten-password").text


def test_a_test_message_is_sent_at_once_to_the_address_of_choice(admin: FlaskClient, mail_server: MailServer) -> None:
    assert 'name="email_address"' not in admin.get("/mail").text
    page = save(admin, mail_server.port)
    assert f'name="email_address" required type="email" value="{ROOT}"' in page
    assert send_test(admin, "ops@example.com") == "The mail server accepted the test message to ops@example.com."
    [(recipient, message)] = mail_server.mails
    assert (recipient, message["Subject"]) == ("ops@example.com", "Test mail from Checkend")


def test_a_test_message_that_fails_shows_what_the_mail_server_responded(
    admin: FlaskClient, mail_server: MailServer
) -> None:
    save(admin, mail_server.port)
    mail_server.recipient_response = "550 <b>relaying denied</b>"
    assert send_test(admin) == (
        f"The test message to {ROOT} was not sent. The mail server responded 550: &lt;b&gt;relaying denied&lt;/b&gt;"
    )
    mail_server.close()
    assert "Connection refused" in send_test(admin)


def test_the_password_is_encrypted_and_never_shown(app: Flask, admin: FlaskClient, mail_server: MailServer) -> None:
    page = save(admin, mail_server.port, username="checkend", password="hunter2hunter2")
    assert "A password is set. Leave empty to keep it" in page
    assert "hunter2" not in page
    first = stored(app)
    assert b"hunter2" not in first["password"]
    save(admin, mail_server.port, username="checkend", tls="starttls")
    assert stored(app)["password"] == first["password"]
    answer = submit(admin, "/mail", settings(mail_server.port, host="mail.evil.example", username="checkend"))
    assert answer.status_code == 422
    assert "Enter the password again" in answer.text
    save(admin, mail_server.port)  # without a user name
    assert stored(app)["password"] is None


@pytest.fixture
def audit_lines(admin: FlaskClient) -> Iterator[list[str]]:
    """Provide the lines of the audit log from here on."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # a test's own
    audit_log.log.addHandler(handler)
    yield lines
    audit_log.log.removeHandler(handler)


def test_changes_are_in_the_audit_log_without_the_password(
    admin: FlaskClient, mail_server: MailServer, audit_lines: list[str]
) -> None:
    save(admin, mail_server.port, username="checkend", password="hunter2hunter2")
    submit(admin, "/mail/test", {"email_address": ROOT})
    submit(admin, "/mail/delete")
    events = [line.split()[0] for line in audit_lines]
    assert events == ["mail_settings.changed", "mail.tested", "mail_settings.deleted"]
    assert 'fields=["host", "password", "port", "tls", "username"]' in audit_lines[0]
    assert "hunter2" not in "".join(audit_lines)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": ""}, "Host can&#39;t be blank."),
        ({"host": "mail.example.com:25"}, "Host must be a host name or an IP address, without a port."),
        ({"host": "a b"}, "Host must be a host name or an IP address, without a port."),
        ({"port": "0"}, "Port must be a whole number from 1 to 65535."),
        ({"tls": "ssl"}, "Not a valid choice"),
        ({"username": "checkend"}, "Enter the password of this user name, or leave the user name empty."),
        ({"from_address": "Checkend"}, "From must be an email address, or a name and an address"),
        ({"from_address": "a@example.com\r\nBcc: b@example.com"}, "From must not contain control characters."),
    ],
)
def test_invalid_settings_change_nothing(app: Flask, admin: FlaskClient, changes: dict[str, str], message: str) -> None:
    answer = submit(admin, "/mail", settings(25, **changes))
    assert answer.status_code == 422
    assert message in answer.text
    assert stored(app) == {}


def test_the_configuration_wins_and_makes_the_page_read_only(
    app: Flask, admin: FlaskClient, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(admin, 1)
    for name, value in (("HOST", "127.0.0.1"), ("PORT", mail_server.port), ("TLS", "none"), ("PASSWORD", "hunter2")):
        monkeypatch.setitem(app.config, f"MAIL_{name}", value)
    monkeypatch.setitem(app.config, "OUTBOUND_ALLOW", [])  # applies to what is entered in the dashboard only
    page = admin.get("/mail").text
    assert "can only be changed there" in page
    assert 'name="host"' not in page
    assert "<dt>Password</dt><dd>set</dd>" in page
    assert "hunter2" not in page
    assert "accepted the test message" in send_test(admin)
    before = stored(app)
    answer = submit(admin, "/mail", settings(2))
    assert answer.status_code == 422
    assert stored(app) == before


@pytest.mark.parametrize("source", ["environment", "config.py"])
def test_the_page_says_where_the_settings_come_from(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "environment":
        monkeypatch.setenv("CHECKEND_MAIL_HOST", "mail.example.com")
    else:
        (tmp_path / "config.py").write_text('MAIL_HOST = "mail.example.com"\n')
    app = create_app({}, instance_path=tmp_path)
    Factory(app).user(ROOT, site_admin=True)
    client = app.test_client()
    sign_in(client, ROOT)
    page = client.get("/mail").text
    services(app).close()
    expected = {
        "environment": "from the environment variables <code>CHECKEND_MAIL_…</code>",
        "config.py": "from <code>config.py</code> in the instance folder",
    }
    assert expected[source] in page
    assert "<dd>mail.example.com</dd>" in page
    assert "Set the environment variable <code>CHECKEND_URL</code>" in page


def test_a_server_on_this_machine_must_be_allowed(
    app: Flask, admin: FlaskClient, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "OUTBOUND_ALLOW", [])
    save(admin, mail_server.port)
    message = send_test(admin)
    assert f"The connection to smtp://127.0.0.1:{mail_server.port} was rejected: 127.0.0.1 (loopback)" in message
    assert "CHECKEND_OUTBOUND_ALLOW" in message
    assert mail_server.mails == []


def test_a_password_without_its_key_is_asked_for_again(app: Flask, admin: FlaskClient, mail_server: MailServer) -> None:
    save(admin, mail_server.port, username="checkend", password="hunter2hunter2")
    (Path(app.instance_path) / "encryption_keys").write_text("another key\n")
    assert "The secrets of the mail settings cannot be decrypted with the file encryption_keys" in send_test(admin)
    assert admin.get("/mail").status_code == 200
    save(admin, mail_server.port, username="checkend", password="hunter2hunter2")
    assert "cannot be decrypted" not in send_test(admin)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """Provide a certificate authority."""
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["starttls", "tls"])
def tls_server(
    request: pytest.FixtureRequest, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[TlsMailServer, str]]:
    """Provide a mail server with TLS, whose authority is trusted, and the setting for it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    smtp._tls_context.cache_clear()
    server = TlsMailServer(authority.server_context("127.0.0.1"), starttls=request.param == "starttls")
    server.start()
    yield server, request.param
    server.stop()
    smtp._tls_context.cache_clear()


def test_mail_is_sent_over_tls_after_login(admin: FlaskClient, tls_server: tuple[TlsMailServer, str]) -> None:
    server, tls = tls_server
    save(admin, server.port, tls=tls, username=USERNAME, password=PASSWORD)
    assert "accepted the test message" in send_test(admin)
    [(recipient, content, version)] = server.mails
    assert recipient == ROOT
    assert b"Subject: Test mail from Checkend" in content
    assert version == "TLSv1.3"


def test_notifications_go_through_the_same_server(
    app: Flask, admin: FlaskClient, tls_server: tuple[TlsMailServer, str]
) -> None:
    server, tls = tls_server
    save(admin, server.port, tls=tls, username=USERNAME, password=PASSWORD, from_address="Fehler Ü <e@example.com>")
    make = Factory(app)
    config = {"recipients": ["ops@example.com"]}
    shop = make.app()["id"]
    make.run(lambda: Channel.create(db.session.get_one(App, shop), kind="email", name="Mail", config=config).id)
    page = follow(admin, submit(admin, "/apps/shop/alerts/1/test"))
    assert "The test message through &#39;Mail&#39; was delivered." in page
    [(recipient, content, _)] = server.mails
    assert recipient == "ops@example.com"
    assert email.message_from_bytes(content, policy=policy.default)["From"] == "Fehler Ü <e@example.com>"


def test_a_test_message_needs_no_url(tmp_path: Path, mail_server: MailServer) -> None:
    app = create_app({"OUTBOUND_ALLOW": "127.0.0.1"}, instance_path=tmp_path)
    Factory(app).user(ROOT, site_admin=True)
    admin = app.test_client()
    sign_in(admin, ROOT)
    page = save(admin, mail_server.port)
    assert "Set the environment variable <code>CHECKEND_URL</code>" in page
    assert "accepted the test message" in send_test(admin)
    assert "This server cannot send mail." in app.test_client().get("/forgotten-password").text
    services(app).close()


def test_a_mail_server_that_never_stops_talking_is_left(admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 5)
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            while True:
                connection.sendall(b"220-welcome\r\n" * 1000)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    save(admin, listener.getsockname()[1])
    assert "The mail could not be sent: Connection unexpectedly closed" in send_test(admin)
    thread.join(5)
    listener.close()
    assert not thread.is_alive()


def test_the_wrong_encryption_for_the_port_is_explained(admin: FlaskClient, mail_server: MailServer) -> None:
    save(admin, mail_server.port, tls="tls")
    assert "; check that the encryption fits the port." in send_test(admin)


def test_a_login_that_is_rejected_is_tried_again(
    app: Flask, admin: FlaskClient, tls_server: tuple[TlsMailServer, str]
) -> None:
    """What is wrong is the settings, not the mail: it must not be lost."""
    server, tls = tls_server
    save(admin, server.port, tls=tls, username=USERNAME, password="wrong")
    assert "The mail server responded 535: 5.7.8 Authentication credentials invalid" in send_test(admin)
    submit(admin, "/teams/core/invitations", {"email_address": "guest@example.com", "role": "member"})
    send_mail(app)
    assert "next attempt" in admin.get("/teams/core").text
    assert server.mails == []


def test_a_certificate_of_an_unknown_authority_is_rejected(
    admin: FlaskClient, tls_server: tuple[TlsMailServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    smtp._tls_context.cache_clear()
    server, tls = tls_server
    save(admin, server.port, tls=tls, username=USERNAME, password=PASSWORD)
    message = "the TLS certificate of the mail server is not valid (unable to get local issuer certificate)."
    assert message in send_test(admin)
    assert server.mails == []


def test_a_certificate_for_another_host_is_rejected(
    admin: FlaskClient, authority: CertificateAuthority, tls_server: tuple[TlsMailServer, str]
) -> None:
    _, tls = tls_server
    server = TlsMailServer(authority.server_context("192.0.2.1"), starttls=tls == "starttls")
    server.start()
    save(admin, server.port, tls=tls, username=USERNAME, password=PASSWORD)
    assert "IP address mismatch" in send_test(admin)
    server.stop()


def test_a_mail_server_that_hangs_after_the_handshake_is_left_in_time(
    admin: FlaskClient, tls_server: tuple[TlsMailServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, tls = tls_server
    server.delay_seconds = 5
    save(admin, server.port, tls=tls, username=USERNAME, password=PASSWORD)
    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 0.5)
    began = time.monotonic()
    assert "The mail could not be sent: no response within 0.5 seconds." in send_test(admin)
    assert time.monotonic() - began < 3


def test_a_password_that_smtp_cannot_carry_is_not_quoted(
    admin: FlaskClient, tls_server: tuple[TlsMailServer, str]
) -> None:
    server, tls = tls_server
    save(admin, server.port, tls=tls, username=USERNAME, password="pässword")
    assert send_test(admin).endswith("the user name and the password must consist of ASCII characters.")


def test_without_starttls_nothing_is_sent(admin: FlaskClient, mail_server: MailServer) -> None:
    save(admin, mail_server.port, tls="starttls", username=USERNAME, password=PASSWORD)
    assert "STARTTLS extension not supported by server" in send_test(admin)
    assert mail_server.mails == []


def rotate(app: Flask) -> str:
    done = CliRunner().invoke(main, ["secrets", "rotate"], env={"CHECKEND_INSTANCE_PATH": app.instance_path})
    return done.stdout if done.exit_code == 0 else done.stderr


def test_a_rotation_encrypts_the_password_and_waiting_mail_with_the_new_key(
    app: Flask, admin: FlaskClient, tls_server: tuple[TlsMailServer, str]
) -> None:
    server, tls = tls_server
    save(admin, server.port, tls=tls, username=USERNAME, password=PASSWORD)
    submit(admin, "/teams/core/invitations", {"email_address": "guest@example.com", "role": "member"})
    keys = Path(app.instance_path) / "encryption_keys"
    old = keys.read_text()
    expected = "Encrypted the secrets of 0 channels, the SMTP password and 1 waiting mail with a new key."
    assert expected in rotate(app)
    assert old.strip() not in keys.read_text()
    send_mail(app)
    assert [recipient for recipient, _, _ in server.mails] == ["guest@example.com"]


def test_a_rotation_stops_at_a_password_without_its_key_and_gives_up_such_mail(
    app: Flask, admin: FlaskClient, mail_server: MailServer
) -> None:
    save(admin, mail_server.port, username="checkend", password="hunter2hunter2")
    submit(admin, "/teams/core/invitations", {"email_address": "guest@example.com", "role": "member"})
    before, keys = stored(app), Path(app.instance_path) / "encryption_keys"
    keys.write_text("another key\n")
    assert "The secrets of the mail settings cannot be decrypted, so nothing was changed." in rotate(app)
    assert (stored(app), keys.read_text()) == (before, "another key\n")
    submit(admin, "/mail/delete")
    assert "with a new key" in rotate(app)
    assert "The mail was not sent. The secrets of this mail cannot be decrypted" in admin.get("/teams/core").text
