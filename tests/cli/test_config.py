"""``checkend config``, and settings that cannot be used."""

from pathlib import Path
from typing import Any

import pytest

from checkend.app import create_app
from checkend.config import SETTINGS
from checkend.services import services


def test_every_setting_is_shown_with_its_value_and_source(
    read: Any, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.mkdir()
    (instance / "config.py").write_text("THREADS = 3\nPORT = 1234\n")
    monkeypatch.setenv("CHECKEND_PORT", "4321")
    shown = read("config")
    assert shown["instance_path"] == str(instance)
    by_name = {setting["name"]: setting for setting in shown["settings"]}
    assert list(by_name) == [setting.name for setting in SETTINGS]
    found = {name: (by_name[name]["value"], by_name[name]["source"]) for name in ("PORT", "THREADS", "HOST")}
    assert found == {"PORT": (4321, "environment"), "THREADS": (3, "config.py"), "HOST": ("127.0.0.1", "default")}
    assert all(setting["help"] and setting["allowed"] for setting in shown["settings"])


def test_secrets_are_hidden_and_nothing_is_created(run: Any, instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKEND_SECRET_KEY", "hush-hush-hush-hush-hush-hush-hush")
    for options in ([], ["--json"]):
        shown = run("config", *options).output
        assert "hush-hush" not in shown
        assert "(hidden)" in shown
    assert not instance.exists()


def test_an_unknown_variable_causes_a_warning_with_the_closest_setting_and_without_its_value(
    run: Any, read: Any, instance: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("PROT", "RETENTION_DAY", "XYZZY"):
        monkeypatch.setenv(f"CHECKEND_{name}", "hush-hush")
    for name in ("API_KEY", "ENDPOINT", "ENVIRONMENT", "MANAGEMENT_KEY", "SERVER", "PORT"):
        monkeypatch.setenv(f"CHECKEND_{name}", "8080")
    no_effect = "is set in the environment, but it is not a setting and has no effect."
    expected = [
        f"CHECKEND_PROT {no_effect} Did you mean CHECKEND_PORT?",
        f"CHECKEND_RETENTION_DAY {no_effect} Did you mean CHECKEND_RETENTION_DAYS?",
        f"CHECKEND_XYZZY {no_effect}",
    ]
    for options in ([], ["--json"]):
        shown = run("config", *options)
        assert shown.stderr.splitlines() == [f"Warning: {line}" for line in expected]
        assert "hush-hush" not in shown.output
    services(create_app({"LOG_LEVEL": "warning"}, instance_path=instance)).close()
    stderr = capfd.readouterr().err
    assert all(f"Checkend: {line}\n" in stderr for line in expected)
    assert "hush-hush" not in stderr


@pytest.mark.parametrize("command", [["config"], ["app", "list"], ["serve"]], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "http", "a whole number from 0 to 65535"),
        ("THREADS", "0", "a whole number from 1 to 128"),
        ("RATE_LIMIT_ENABLED", "maybe", "true or false"),
        ("LOG_FORMAT", "xml", "one of text, json"),
    ],
)
def test_an_invalid_setting_stops_every_command_with_its_name_value_and_allowed_values(
    run: Any, monkeypatch: pytest.MonkeyPatch, command: list[str], name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(f"CHECKEND_{name}", value)
    assert run(*command, status=1).stderr == f"Error: CHECKEND_{name} is {value!r}, but must be {allowed}.\n"


def test_a_short_secret_key_is_rejected_and_not_shown(
    run: Any, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECKEND_SECRET_KEY", "x" * 31)
    sentence = "Error: CHECKEND_SECRET_KEY is (a secret), but must be at least 32 characters, or nothing.\n"
    assert run("app", "list", status=1).stderr == sentence
    monkeypatch.delenv("CHECKEND_SECRET_KEY")
    run("app", "create", "Shop")
    (instance / "secret_key").write_text("hand-made")
    assert "has fewer than 32 characters" in run("app", "list", status=1).stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("PROT = 1\n", "config.py sets PROT, which is not a setting; did you mean PORT?"),
        ("PORT = \n", "config.py cannot be run: SyntaxError"),
        ("PORT = 70000\n", "CHECKEND_PORT is '70000', but must be a whole number from 0 to 65535."),
    ],
)
def test_a_wrong_settings_file_stops_with_a_sentence(run: Any, instance: Path, text: str, sentence: str) -> None:
    instance.mkdir()
    (instance / "config.py").write_text(text)
    assert sentence in run("app", "list", status=1).stderr


def test_a_wrong_option_of_serve_is_refused_like_the_setting(run: Any) -> None:
    assert "CHECKEND_LOG_FORMAT is 'xml'" in run("serve", "--log-format", "xml", status=1).stderr
