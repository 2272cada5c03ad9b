"""``checkend user``, ``app`` and ``api-key``, next to a server on the same database."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.auth.permissions import ALL_PERMISSIONS, READ_PERMISSIONS

API_APP = (
    "id name slug environment notify_on_new_problem notify_on_reoccurrence retention_days retention_notices "
    "disabled_grouping_rules created_at updated_at unresolved_problems_count"
).split()
API_USER = "id slug email_address site_admin last_logged_in_at created_at updated_at".split()


def ask(client: FlaskClient, path: str, key: str) -> Any:
    return client.get(f"/api/v1/{path}", headers={"Checkend-API-Key": key})


def test_an_app_is_printed_as_the_api_shows_it_with_its_ingestion_key(read: Any, client: FlaskClient) -> None:
    made = read("app", "create", "Shop", "--environment", "production")
    key = read("api-key", "create", "reader", "--read-only")["key"]
    assert list(made) == [*API_APP, "ingestion_key"]
    shown = ask(client, "apps/shop", key).json
    assert made == shown | {"ingestion_key": made["ingestion_key"]}
    assert read("app", "list") == ask(client, "apps", key).json == [shown]
    report = {"error": {"class": "E", "message": "m"}}
    sent = client.post("/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": made["ingestion_key"]})
    assert sent.status_code == 201


def test_a_regenerated_key_works_at_a_running_server_and_the_old_one_does_not(read: Any, client: FlaskClient) -> None:
    old = read("app", "create", "Shop")["ingestion_key"]

    def status(key: str) -> int:
        report = {"error": {"class": "E"}}
        return client.post("/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": key}).status_code

    assert status(old) == 201
    new = read("app", "regenerate-key", "shop")["ingestion_key"]
    assert (status(old), status(new)) == (401, 201)


@pytest.mark.parametrize(
    ("options", "permissions"),
    [
        (["--all"], list(ALL_PERMISSIONS)),
        (["--read-only"], list(READ_PERMISSIONS)),
        (["--permission", "tags:read", "--permission", "apps:read"], ["apps:read", "tags:read"]),
    ],
)
def test_a_new_api_key_has_the_requested_permissions(
    read: Any, client: FlaskClient, options: list[str], permissions: Any
) -> None:
    made = read("api-key", "create", "deploys", *options, "--expires", "90d")
    assert list(made) == ["id", "name", "prefix", "permissions", "app_ids", "expires_at", "key"]
    assert made["permissions"] == permissions
    assert made["key"].startswith(made["prefix"])
    assert ask(client, "apps", made["key"]).status_code == 200


def test_a_running_server_rejects_revoked_and_deleted_api_keys(run: Any, read: Any, client: FlaskClient) -> None:
    first, second = (read("api-key", "create", name, "--all") for name in ("first", "second"))
    assert ask(client, "apps", first["key"]).status_code == ask(client, "apps", second["key"]).status_code == 200
    run("api-key", "revoke", str(first["id"]))
    run("api-key", "delete", second["prefix"], "--yes")
    assert ask(client, "apps", first["key"]).status_code == ask(client, "apps", second["key"]).status_code == 401
    listed = read("api-key", "list")
    assert [(key["name"], key["revoked_at"] is None) for key in listed] == [("first", False)]
    assert first["key"] not in json.dumps(listed)


@pytest.mark.parametrize(
    "wrong",
    [
        ["api-key", "create", "x"],
        ["api-key", "create", "x", "--all", "--read-only"],
        ["api-key", "create", "x", "--permission", "apps:fly"],
        ["api-key", "create", "x", "--all", "--expires", "soon"],
        ["app", "create"],
        ["nonsense"],
    ],
)
def test_an_invalid_command_line_exits_with_status_2(run: Any, wrong: list[str]) -> None:
    assert run(*wrong, status=2).stderr.startswith("Usage:")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["app", "create", " "], "Name can't be blank."),
        (["api-key", "create", " ", "--all"], "Name must be 1 to 255 characters."),
        (["api-key", "create", "x", "--all", "--expires", "2001-01-01"], "Expiry must be in the future."),
        (["user", "create", "no-address", "--password-stdin"], "Email address is not a valid email address."),
        (["user", "create", "taken@example.com", "--password-stdin"], "Email address has already been taken."),
        (["user", "delete", "taken@example.com", "--yes"], "Cannot delete the last site admin."),
    ],
)
def test_a_violated_rule_exits_with_status_1_and_its_message(run: Any, read: Any, command: Any, message: str) -> None:
    run("user", "create", "taken@example.com", "--password-stdin", "--site-admin", stdin="long enough\n")
    before = (read("app", "list"), read("api-key", "list"), read("user", "list"))
    assert message in run(*command, status=1, stdin="long enough\n").stderr
    assert (read("app", "list"), read("api-key", "list"), read("user", "list")) == before


@pytest.mark.parametrize(
    "missing",
    [
        ["app", "regenerate-key", "gone"],
        ["api-key", "revoke", "99"],
        ["api-key", "delete", "99", "--yes"],
        ["user", "delete", "gone@example.com", "--yes"],
        ["user", "set-password", "gone@example.com", "--password-stdin"],
    ],
)
def test_an_unknown_record_exits_with_status_3(run: Any, missing: list[str]) -> None:
    run("app", "create", "Shop")
    assert "There is no" in run(*missing, status=3).stderr


def test_a_user_is_printed_as_the_api_shows_it(read: Any, client: FlaskClient) -> None:
    made = read("user", "create", " You@Example.com ", "--site-admin", "--password-stdin", stdin="long enough\n")
    key = read("api-key", "create", "reader", "--read-only")["key"]
    assert list(made) == API_USER
    assert made["site_admin"] is True
    assert read("user", "list") == [made] == ask(client, "users", key).json


def test_a_password_is_prompted_for_twice(run: Any, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checkend.cli.user.has_terminal", lambda: True)
    different = run("user", "create", "a@example.com", stdin="long enough\nlong enoug\nlong enough\nlong enough\n")
    assert "do not match" in different.output
    assert "long enough" not in different.stdout
    assert [user["email_address"] for user in read("user", "list")] == ["a@example.com"]


def test_a_common_password_is_rejected(run: Any, read: Any) -> None:
    create = ("user", "create", "a@example.com", "--password-stdin")
    assert "most common passwords" in run(*create, status=1, stdin="football\n").stderr
    assert read("user", "list") == []
    assert "most common passwords" in run("demo", "--password", "football", status=1).stderr


@pytest.mark.parametrize("command", ["create", "set-password"])
def test_without_a_terminal_the_command_points_to_standard_input(run: Any, read: Any, command: str) -> None:
    run("user", "create", "a@example.com", "--password-stdin", stdin="long enough\n")
    address = "b@example.com" if command == "create" else "a@example.com"
    refused = run("user", command, address, status=1, stdin="another one\nanother one\n")
    assert "Pass it on standard input: --password-stdin" in refused.stderr
    assert [user["email_address"] for user in read("user", "list")] == ["a@example.com"]


@pytest.mark.parametrize("password", ["short", "", "\n"])
def test_a_short_password_is_rejected(run: Any, read: Any, password: str) -> None:
    refused = run("user", "create", "a@example.com", "--password-stdin", status=1, stdin=password)
    assert "Password must be at least 8 characters." in refused.stderr
    assert read("user", "list") == []


def test_a_password_is_exactly_the_first_line_of_standard_input(run: Any, app: Flask) -> None:
    run("user", "create", "a@example.com", "--password-stdin", stdin=" spaced out \nnext line\n")
    run("user", "set-password", "A@example.com", "--password-stdin", stdin=" another one \r\n")
    with app.app_context():
        from checkend.models import User

        user = User.with_email_address("a@example.com")
        assert user is not None
        assert user.check_password(" another one ")
        assert not user.check_password(" spaced out ")


def test_deleting_asks_for_confirmation(run: Any, read: Any) -> None:
    for name in ("a", "b"):
        run("user", "create", f"{name}@example.com", "--password-stdin", stdin="long enough\n")
    assert "nothing was changed" in run("user", "delete", "a@example.com", status=1, stdin="n\n").stderr
    assert "nothing was changed" in run("user", "delete", "a@example.com", status=1).stderr
    assert len(read("user", "list")) == 2
    run("user", "delete", "a@example.com", stdin="y\n")
    assert [user["email_address"] for user in read("user", "list")] == ["b@example.com"]


def test_output_for_people_is_tables_and_messages(run: Any) -> None:
    run("api-key", "create", "deploys", "--all")
    assert "There are no apps yet" in run("app", "list").stdout
    assert "ingestion key" in run("app", "create", "Shop").stdout
    header, row = run("app", "list").stdout.splitlines()
    assert header.split()[:3] == ["ID", "SLUG", "NAME"]
    assert row.index("Shop") == header.index("NAME")
    assert "all" in run("api-key", "list").stdout.splitlines()[1]
