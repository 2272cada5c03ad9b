"""``checkend channel`` and ``checkend secrets``, next to a server on the same database."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from standardwebhooks.webhooks import Webhook

from checkend.cli import channel as channel_commands
from checkend.notifications import secret_rotation
from checkend.notifications.encryption import KEYS_FILE_NAME, SecretBox
from tests.support.receiver import Receiver

SECRET_URL = "https://hooks.slack.example.com/services/T0/B0/SecretPartOfTheUrl"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Provide a receiver that commands may send to."""
    monkeypatch.setenv("CHECKEND_OUTBOUND_ALLOW", "127.0.0.1")
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def key(read: Any) -> str:
    """Create the app Shop, and provide an API key."""
    read("app", "create", "Shop")
    return str(read("api-key", "create", "test", "--all")["key"])


def ask(client: FlaskClient, method: str, path: str, key: str, **options: Any) -> Any:
    headers = {"Checkend-API-Key": key}
    return client.open(f"/api/v1/apps/shop/channels{path}", method=method, headers=headers, **options).json


def secrets_in(instance: Path) -> list[dict[str, Any]]:
    """Return the secrets of all channels, decrypted."""
    with closing(sqlite3.connect(instance / "checkend.sqlite3")) as database:
        tokens = database.execute("SELECT secrets FROM channels WHERE secrets IS NOT NULL ORDER BY id").fetchall()
    return [SecretBox(instance).open(token) for (token,) in tokens]


def test_a_channel_is_printed_as_the_api_shows_it(client: FlaskClient, read: Any, run: Any, key: str) -> None:
    created = read("channel", "create", "shop", "webhook", "Hook", "--set", "url=https://example.com/?a=b")
    assert created.pop("signing_secret").startswith("whsec_")
    options = ("--event", "reoccurrence", "--environment", "a", "--environment", "b", "--min-interval", "60")
    mail = read("channel", "create", "1", "email", "Mail", "--set", "recipients=a@example.com, b@example.com", *options)
    assert mail["config"] == {"recipients": ["a@example.com", "b@example.com"]}
    assert (mail["events"], mail["environments"], mail["min_interval_seconds"]) == (["reoccurrence"], ["a", "b"], 60)
    bugs = ("--set", "repository=acme/shop", "--set", "labels=bug, checkend", "--secret-stdin")
    issues = read("channel", "create", "shop", "github", "Issues", *bugs, stdin="github_pat_1\n")
    assert issues["config"] == {"repository": "acme/shop", "labels": ["bug", "checkend"]}
    assert issues["secret_set"] is True
    run("channel", "delete", "shop", str(issues["id"]), "--yes")
    spikes = ("--event", "spike", "--min-level", "warning", "--spike-occurrences", "30", "--spike-minutes", "2")
    other = read("channel", "create", "shop", "webhook", "Spikes", "--set", "url=https://example.com/", *spikes)
    assert (other["min_level"], other["spike_occurrences"], other["spike_minutes"]) == ("warning", 30, 2)
    run("channel", "delete", "shop", str(other["id"]), "--yes")
    assert created["config"] == {"url": "https://example.com/?a=b"}
    assert read("channel", "list", "shop") == ask(client, "GET", "", key) == [created, mail]
    table = run("channel", "list", "shop").stdout.splitlines()
    assert table[0].split() == ["ID", "KIND", "NAME", "ENABLED", "LAST", "DELIVERED", "LAST", "ERROR"]
    assert table[1].split() == ["1", "webhook", "Hook", "yes", "never"]


def test_an_app_without_a_channel_says_how_to_create_one(run: Any, key: str) -> None:
    assert "checkend channel create" in run("channel", "list", "shop").stdout


def test_a_secret_is_read_from_standard_input(read: Any, run: Any, key: str, instance: Path) -> None:
    arguments = ("channel", "create", "shop", "slack", "Team chat")
    shown = run(*arguments, "--secret-stdin", stdin=f"{SECRET_URL}\n")
    assert SECRET_URL not in shown.output
    assert "checkend channel test shop 1" in shown.stdout
    assert secrets_in(instance) == [{"url": SECRET_URL}]
    assert "There is no terminal to ask for the url" in run(*arguments, status=1).stderr
    exposed = run(*arguments, "--set", f"url={SECRET_URL}", status=1)
    assert "'url' is secret" in exposed.stderr
    assert SECRET_URL not in exposed.output
    needless = run("channel", "create", "shop", "email", "Mail", "--secret-stdin", stdin="x\n", status=1)
    assert "have no secret to enter" in needless.stderr
    assert len(read("channel", "list", "shop")) == 1


def test_a_secret_is_asked_for_at_a_terminal(
    run: Any, key: str, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_commands, "has_terminal", lambda: True)
    done = run("channel", "create", "shop", "discord", "Guild", stdin=f"{SECRET_URL}\n")
    assert SECRET_URL not in done.output
    assert secrets_in(instance) == [{"url": SECRET_URL}]
    run("channel", "create", "shop", "ntfy", "Push", "--set", "topic=shop", stdin="\n")
    assert len(secrets_in(instance)) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("nope", "webhook", "Hook", "--set", "url=https://x.example"), 3, "There is no app 'nope'."),
        (("shop", "pigeon", "Loft"), 1, "Kind must be one of webhook, email,"),
        (("shop", "webhook", "Hook"), 1, "'url' is missing."),
        (("shop", "webhook", "Hook", "--set", "url"), 2, "'url' is not a setting such as"),
        (("shop", "webhook", "Hook", "--set", "url=https://x.example", "--event", "x"), 1, "Events must be one of"),
        (("shop", "email", "Mail", "--set", "recipients=nobody"), 1, "Recipient 'nobody' is not a valid email"),
    ],
)
def test_bad_input_creates_nothing(
    arguments: tuple[str, ...], status: int, message: str, run: Any, read: Any, key: str
) -> None:
    assert message in run("channel", "create", *arguments, status=status).stderr
    assert read("channel", "list", "shop") == []


def test_a_test_sends_a_real_notification(read: Any, run: Any, key: str, receiver: Receiver) -> None:
    created = read("channel", "create", "shop", "webhook", "Hook", "--set", f"url={receiver.url}")
    assert run("channel", "test", "shop", "1").stdout == "Delivered a test notification through channel 'Hook'.\n"
    [got] = receiver.requests
    Webhook(created["signing_secret"]).verify(got.body, {name.lower(): value for name, value in got.headers.items()})
    receiver.script = [(500, {}), (500, {})]
    assert "was not delivered. The receiver responded 500." in run("channel", "test", "shop", "1", status=1).stderr
    failed = {"status": "failed", "detail": "The receiver responded 500."}
    assert read("channel", "test", "shop", "1", status=1) == failed
    assert read("channel", "list", "shop")[0]["last_error"] == failed["detail"]


def test_a_channel_is_deleted_after_confirmation(run: Any, read: Any, key: str) -> None:
    read("channel", "create", "shop", "email", "Mail")
    read("app", "create", "Other")
    assert "has no channel '1'" in run("channel", "delete", "other", "1", "--yes", status=3).stderr
    assert "Not confirmed" in run("channel", "delete", "shop", "1", status=1, stdin="n\n").stderr
    assert run("channel", "delete", "shop", "1", "--yes").stdout == "Deleted channel 'Mail' (id 1).\n"
    assert read("channel", "list", "shop") == []
    run("channel", "test", "shop", "1", status=3)


# Rotating the encryption key


@pytest.fixture
def channels(read: Any, key: str) -> None:
    """Create two channels with secrets, and one without."""
    read("channel", "create", "shop", "slack", "Team chat", "--secret-stdin", stdin=f"{SECRET_URL}\n")
    read("channel", "create", "shop", "email", "Mail")
    read("channel", "create", "shop", "webhook", "Hook", "--set", "url=https://example.com/")


def test_rotating_encrypts_all_secrets_with_one_new_key(run: Any, channels: None, instance: Path) -> None:
    keys, before = instance / KEYS_FILE_NAME, secrets_in(instance)
    old = keys.read_text()
    done = run("secrets", "rotate")
    assert done.stdout.startswith("Encrypted the secrets of 2 channels with a new key.\n")
    assert len(keys.read_text().split()) == 1
    assert keys.read_text() != old
    assert keys.stat().st_mode & 0o777 == 0o600
    assert secrets_in(instance) == before
    assert [path.name for path in instance.glob(f"{KEYS_FILE_NAME}*")] == [KEYS_FILE_NAME]


def test_a_running_server_uses_the_new_key(
    app: Flask, client: FlaskClient, run: Any, key: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "OUTBOUND_ALLOW", ["127.0.0.1"])
    hook = {"kind": "webhook", "name": "Hook", "config": {"url": receiver.url}}
    created = ask(client, "POST", "", key, json=hook)
    run("secrets", "rotate")
    assert ask(client, "POST", f"/{created['id']}/test", key)["status"] == "delivered"
    assert ask(client, "POST", "", key, json=hook)["secret_set"] is True
    assert run("secrets", "rotate").stdout.startswith("Encrypted the secrets of 2 channels")


class Killed(BaseException):
    """Stands for a process that ends at this point."""


@pytest.mark.parametrize("step", ["add_key", "seal", "commit", "remove_keys"])
def test_an_interrupted_rotation_leaves_all_secrets_readable(
    step: str, run: Any, channels: None, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = secrets_in(instance)

    def killed_after(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            function(*arguments)
            raise Killed

        return call

    with monkeypatch.context() as patch:
        if step == "commit":  # after the first transaction, before the old keys are removed
            patch.setattr(secret_rotation, "remove_keys", killed_after(lambda *_: None))
        else:
            patch.setattr(SecretBox, step, killed_after(getattr(SecretBox, step)))
        with pytest.raises(Killed):
            run("secrets", "rotate")
    assert secrets_in(instance) == before
    run("secrets", "rotate")
    assert secrets_in(instance) == before
    assert len((instance / KEYS_FILE_NAME).read_text().split()) == 1


def test_a_rotation_changes_nothing_if_a_secret_cannot_be_decrypted(run: Any, channels: None, instance: Path) -> None:
    keys = instance / KEYS_FILE_NAME
    keys.write_text("a" * 64)
    before = (instance / "checkend.sqlite3").read_bytes()
    done = run("secrets", "rotate", status=1)
    assert "The secrets of channel 1 (Team chat) of app 1 (Shop) cannot be decrypted" in done.stderr
    assert keys.read_text() == "a" * 64
    assert (instance / "checkend.sqlite3").read_bytes() == before
