"""Commands for scripts that set up a server: repeatable, with given keys, and creating nothing by accident."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from checkend.config import MAX_RETENTION_DAYS, MAX_RETENTION_NOTICES

INGESTION_KEY = "cki_" + "0123456789abcdef" * 2


def test_an_app_is_created_if_missing_and_its_key_printed_each_time(run: Any, read: Any) -> None:
    first = read("app", "create", " Shop ", "--environment", "production", "--if-missing")
    again = read("app", "create", "Shop", "--environment", "staging", "--if-missing")
    assert first["created"] is True
    assert again == first | {"created": False}
    assert "App 'Shop' (id 1, slug shop) already exists." in run("app", "create", "Shop", "--if-missing").stdout
    assert [app["environment"] for app in read("app", "list")] == ["production"]
    assert read("app", "create", "shop", "--if-missing")["created"] is True  # another name
    assert "created" not in read("app", "create", "Shop")


def test_an_app_is_created_with_a_given_ingestion_key(run: Any, read: Any, client: FlaskClient) -> None:
    for created in (True, False):
        made = read("app", "create", "Shop", "--ingestion-key-stdin", "--if-missing", stdin=f"{INGESTION_KEY}\nmore\n")
        assert (made["ingestion_key"], made["created"]) == (INGESTION_KEY, created)
    headers = {"Checkend-Ingestion-Key": INGESTION_KEY}
    assert client.post("/ingest/v1/errors", json={"error": {"class": "E"}}, headers=headers).status_code == 201
    other = ("--ingestion-key-stdin", "--if-missing")
    assert (
        "already exists with another ingestion key"
        in run("app", "create", "Shop", *other, stdin=INGESTION_KEY + "x", status=1).stderr
    )
    assert read("app", "create", "Blog", *other, stdin=INGESTION_KEY + "x")["created"] is True
    assert run("app", "key", "shop").stdout == f"{INGESTION_KEY}\n"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "short",
        INGESTION_KEY.removeprefix("cki_"),
        "cka_" + INGESTION_KEY[4:],
        INGESTION_KEY[:-1],
        INGESTION_KEY + " x",
        "cki_" + "é" * 32,
        "cki_" + "a" * 61,
    ],
)
def test_an_invalid_ingestion_key_creates_no_app(run: Any, read: Any, key: str) -> None:
    refused = run("app", "create", "Shop", "--ingestion-key-stdin", stdin=key + "\n", status=1)
    assert "An ingestion key is cki_ followed by 32 to 60 letters" in refused.stderr
    assert read("app", "list") == []


def test_an_ingestion_key_belongs_to_one_app(run: Any, read: Any) -> None:
    run("app", "create", "Shop", "--ingestion-key-stdin", stdin=INGESTION_KEY)
    refused = run("app", "create", "Blog", "--ingestion-key-stdin", stdin=INGESTION_KEY, status=1)
    assert "Another app already has this ingestion key." in refused.stderr
    assert [app["name"] for app in read("app", "list")] == ["Shop"]


def test_an_api_key_is_created_if_no_valid_one_has_its_name(run: Any, read: Any, client: FlaskClient) -> None:
    first = read("api-key", "create", "deploys", "--permission", "apps:read", "--if-missing")
    again = read("api-key", "create", "deploys", "--permission", "apps:read", "--if-missing")
    assert first["created"] is True
    assert again == first | {"created": False, "key": None}
    result = run("api-key", "create", "deploys", "--read-only", "--if-missing")
    assert "cannot be shown again" in result.stdout
    assert "The existing key has other permissions: apps:read." in result.stderr
    run("api-key", "revoke", str(first["id"]))
    replaced = read("api-key", "create", "deploys", "--permission", "apps:read", "--if-missing")
    assert replaced["created"] is True
    assert client.get("/api/v1/apps", headers={"Checkend-API-Key": replaced["key"]}).status_code == 200


def test_an_api_key_is_restricted_to_apps(run: Any, read: Any, client: FlaskClient) -> None:
    for name in ("Shop", "Blog", "Forum"):
        run("app", "create", name)
    options = ("--app", "shop", "--app", "2", "--if-missing")
    key = read("api-key", "create", "two", "--all", *options)
    assert key["app_ids"] == [1, 2]
    assert {name.partition(":")[0] for name in key["permissions"]} == {"apps", "problems", "notices", "tags"}
    found = client.get("/api/v1/apps", headers={"Checkend-API-Key": key["key"]}).get_json()
    assert [app["slug"] for app in found] == ["blog", "shop"]
    assert run("api-key", "create", "two", "--all", *options).stderr == ""
    again = run("api-key", "create", "two", "--all", "--if-missing").stderr
    assert "Warning: The existing key is restricted to apps with the ids 1, 2." in again
    assert "is restricted to apps with the ids 1." in run("api-key", "create", "1", "--read-only", "--app", "1").stdout
    refused = run("api-key", "create", "x", "--permission", "users:read", "--app", "shop", status=1)
    assert "A key that is restricted to apps cannot have the permission users:read." in refused.stderr
    assert "There is no app 'nope'" in run("api-key", "create", "x", "--all", "--app", "nope", status=3).stderr
    assert len(read("api-key", "list")) == 2


def test_an_app_is_shown_and_updated(run: Any, read: Any) -> None:
    run("app", "create", "Shop", "--environment", "production")
    before = read("app", "show", "shop")
    assert "ingestion_key" not in before
    assert (before["retention_days"], before["retention_notices"]) == (None, None)
    options = ("--name", "Web shop", "--environment", "", "--retention-days", "0", "--retention-notices", "50")
    after = read("app", "update", "shop", *options)
    changed = {"name": "Web shop", "environment": None, "retention_days": 0, "retention_notices": 50}
    assert after == before | changed | {"updated_at": after["updated_at"]} == read("app", "show", "1")
    assert read("app", "update", "shop", "--retention-days", "server")["retention_days"] is None
    shown = run("app", "show", "shop").stdout
    assert "Web shop" in shown
    assert "the server's setting" in shown


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ([], 2, "Nothing to change"),
        (["--name", " "], 1, "Name can't be blank."),
        (["--retention-days", "-1"], 2, "neither a whole number from 0 to 36500 nor 'server'"),
        (["--retention-days", str(MAX_RETENTION_DAYS + 1)], 2, "36500"),
        (["--retention-notices", str(MAX_RETENTION_NOTICES + 1)], 2, "1000000"),
        (["--retention-notices", "many"], 2, "1000000"),
    ],
)
def test_an_invalid_update_changes_nothing(run: Any, read: Any, options: list[str], status: int, message: str) -> None:
    run("app", "create", "Shop")
    before = read("app", "show", "shop")
    assert message in run("app", "update", "shop", *options, status=status).stderr
    assert read("app", "show", "shop") == before


def test_an_app_is_deleted_with_its_problems_after_confirmation(
    run: Any, read: Any, make: Any, client: FlaskClient
) -> None:
    make.problem(make.app("Shop")["id"], notices=3)
    make.problem(make.app("Blog")["id"], notices=1)
    refused = run("app", "delete", "shop", status=1, stdin="n\n")
    assert "Delete app 'Shop' (id 1) and its 1 problem permanently?" in refused.stderr
    assert len(read("app", "list")) == 2
    assert run("app", "delete", "shop", "--yes").stdout == "Deleted app 'Shop' (id 1).\n"
    assert [app["name"] for app in read("app", "list")] == ["Blog"]
    assert read("status")["store"]["notices"] == 1
    for command in (["show"], ["update", "--name", "x"], ["delete", "--yes"], ["key"]):
        assert "There is no app 'shop'" in run("app", command[0], "shop", *command[1:], status=3).stderr


@pytest.mark.parametrize(
    "command",
    [
        "app list",
        "app show shop",
        "app key shop",
        "app update shop --name x",
        "app delete shop --yes",
        "app regenerate-key shop",
        "api-key list",
        "api-key revoke 1",
        "api-key delete 1 --yes",
        "user list",
        "user delete a@example.com --yes",
        "user set-password a@example.com --password-stdin",
        "status",
        "prune",
        "prune --dry-run",
        "send-test shop",
        "db check",
        "db backup",
    ],
)
def test_with_a_mistyped_folder_a_command_creates_nothing_and_fails(run: Any, instance: Path, command: str) -> None:
    assert str(instance) in run(*command.split(), status=1, stdin="long enough\n").stderr
    assert not instance.exists()
    instance.mkdir()
    assert str(instance) in run(*command.split(), status=1, stdin="long enough\n").stderr
    assert list(instance.iterdir()) == []
