"""Idempotency-Key: a repeated POST takes effect once, and gets the first response."""

import contextlib
import http.client
import itertools
import json
import random
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from checkend import clock
from checkend.cli import main
from checkend.db.schema import database_path
from checkend.models import idempotent_response
from tests.support.api import Api, assert_error
from tests.support.factories import Factory
from tests.support.server_process import LiveServer, command

KEY = "d0b8f1c2-deploy"


def post(api: Api, path: str, body: Any, key: str = KEY) -> TestResponse:
    return api.client.post(f"/api/v1{path}", json=body, headers={**api.headers, "Idempotency-Key": key})


def content(response: TestResponse) -> tuple[int, bytes, str | None, str | None]:
    headers = response.headers
    return response.status_code, response.data, headers.get("Location"), headers.get("Content-Type")


def test_every_post_that_creates_something_takes_effect_once(api: Api, make: Factory) -> None:
    make.app()
    owner = make.user()
    hook = {"kind": "webhook", "name": "Hook", "config": {"url": "https://hooks.example.com"}}
    make.problem(1)
    for number, (path, body, listed) in enumerate(
        (
            ("/apps", {"name": "Blog"}, "/apps"),
            ("/teams", {"name": "Core", "owner_id": owner}, "/teams"),
            ("/users", {"email_address": "ada@example.com", "password": "correct horse battery"}, "/users"),
            ("/apps/shop/channels", hook, "/apps/shop/channels"),
            ("/apps/shop/problems/1/tags", {"name": "urgent"}, "/apps/shop/problems/1/tags"),
            ("/teams/core/apps", {"app_id": "shop"}, "/teams/core/apps"),
            ("/teams/core/members", {"email_address": "ada@example.com"}, "/teams/core/members"),
        )
    ):
        first = post(api, path, body, f"key-{number}")
        assert first.status_code == 201
        rows = api.get(listed).get_json()
        again = post(api, path, body, f"key-{number}")
        assert content(again) == content(first), path
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        assert api.get(listed).get_json() == rows


def test_actions_are_repeated_too(api: Api, make: Factory) -> None:
    make.app()
    first = post(api, "/apps/shop/regenerate_ingestion_key", None)
    assert content(post(api, "/apps/shop/regenerate_ingestion_key", None)) == content(first)
    other = post(api, "/apps/shop/regenerate_ingestion_key", None, "other")
    assert other.get_json()["ingestion_key"] != first.get_json()["ingestion_key"]
    make.problem(1)
    body = {"problem_ids": [1]}
    deleted = post(api, "/apps/shop/problems/bulk_delete", body, "delete")
    assert deleted.get_json()["count"] == 1
    assert content(post(api, "/apps/shop/problems/bulk_delete", body, "delete")) == content(deleted)


def test_a_key_that_was_used_for_another_request_is_rejected(api: Api, make: Factory) -> None:
    post(api, "/apps", {"name": "Blog"})
    owner = make.user()
    message = "This Idempotency-Key was used for another request in the last 24 hours."
    assert_error(post(api, "/apps", {"name": "Other"}), 422, message)
    assert_error(post(api, "/teams", {"name": "Blog", "owner_id": owner}), 422, message)
    assert [app["name"] for app in api.get("/apps").get_json()] == ["Blog"]
    for invalid in ("a b", "x" * 256, "ö"):
        response = post(api, "/apps", {"name": "Other"}, invalid)
        expected = "Idempotency-Key must be 1 to 255 printable ASCII characters without spaces."
        assert_error(response, 422, expected)


def test_errors_are_not_kept(api: Api) -> None:
    assert_error(post(api, "/apps", {"name": ""}), 422)
    assert post(api, "/apps", {"name": "Blog"}).status_code == 201


def test_a_key_belongs_to_an_api_key_and_needs_its_permission(
    api: Api, client: FlaskClient, key_for: Callable[..., dict[str, str]], make: Factory
) -> None:
    first = post(api, "/apps", {"name": "Blog"})
    other = Api(client, key_for("apps:write"))
    assert post(other, "/apps", {"name": "Blog"}).get_json()["id"] != first.get_json()["id"]
    reader = Api(client, key_for("apps:read"))
    assert_error(post(reader, "/apps", {"name": "Blog"}), 403)


def test_a_response_is_kept_for_a_day(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = post(api, "/apps", {"name": "Blog"}).get_json()
    later = clock.now() + timedelta(hours=24, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert post(api, "/apps", {"name": "Blog"}).get_json()["id"] != first["id"]
    assert len(api.get("/apps").get_json()) == 2


def test_the_number_of_responses_is_limited(api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_response, "MAX_RESPONSES", 3)
    for number in range(5):
        post(api, "/apps", {"name": "Blog"}, f"key-{number}")
    with closing(sqlite3.connect(database_path(Path(app.instance_path)))) as database:
        keys = [key for (key,) in database.execute("SELECT key FROM idempotent_responses ORDER BY id")]
    assert keys == ["key-2", "key-3", "key-4"]


def test_secrets_are_stored_encrypted_and_a_rotation_forgets_them(
    api: Api, app: Flask, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.app()
    hook = {"kind": "webhook", "name": "Hook", "config": {"url": "https://hooks.example.com"}}
    first = post(api, "/apps/shop/channels", hook)
    secret = first.get_json()["signing_secret"]
    assert post(api, "/apps/shop/channels", hook).get_json()["signing_secret"] == secret
    path = database_path(Path(app.instance_path))
    with closing(sqlite3.connect(path)) as database:
        assert secret not in "\n".join(database.iterdump())
    monkeypatch.setenv("CHECKEND_INSTANCE_PATH", str(path.parent))
    assert CliRunner().invoke(main, ["secrets", "rotate"]).exit_code == 0
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM idempotent_responses").fetchone() == (0,)


def test_of_two_requests_at_once_one_takes_effect(api: Api, app: Flask) -> None:
    """Both find no response, and the second to write violates the constraint."""
    barrier = threading.Barrier(2)
    responses: list[TestResponse] = []

    def send(body: dict[str, str]) -> None:
        client = app.test_client()
        barrier.wait(timeout=10)
        responses.append(post(Api(client, api.headers), "/users", body))

    body = {"email_address": "ada@example.com", "password": "correct horse battery"}
    threads = [threading.Thread(target=send, args=(body,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    first, second = responses
    assert first.status_code == 201
    assert content(first) == content(second)
    assert [user["email_address"] for user in api.get("/users").get_json()] == ["ada@example.com"]


def test_other_methods_ignore_the_key(api: Api, make: Factory) -> None:
    make.app()
    for name in ("Store", "Market"):
        response = api.client.patch(
            "/api/v1/apps/shop", json={"name": name}, headers={**api.headers, "Idempotency-Key": KEY}
        )
        assert response.get_json()["name"] == name


@pytest.mark.slow
def test_a_server_that_is_killed_leaves_one_record_and_one_response(tmp_path: Path) -> None:
    """The client repeats each request, through restarts of the server, until it gets a response."""
    servers = [LiveServer(tmp_path)]
    key = command(tmp_path, "api-key", "create", "deploys", "--all")["key"]
    locations: dict[str, str] = {}
    stopping = threading.Event()

    def send() -> None:
        for number in itertools.count():
            if stopping.is_set():
                return
            locations[f"App {number}"] = until_created(servers, key, number)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(5):
            time.sleep(random.uniform(0.05, 0.3))
            servers[-1].kill()
            servers.append(LiveServer(tmp_path))
    finally:
        stopping.set()
        sender.join(timeout=30)
        servers[-1].stop()
    with closing(sqlite3.connect(database_path(tmp_path))) as database:
        stored = {name: f"/api/v1/apps/{number}" for number, name in database.execute("SELECT id, name FROM apps")}
        (rows,) = database.execute("SELECT count(*) FROM apps").fetchone()
    assert rows == len(stored) >= 3
    assert stored == locations


def until_created(servers: list[LiveServer], key: str, number: int) -> str:
    """Create an app, repeating the request after lost connections; return its location."""
    headers = {"Checkend-API-Key": key, "Idempotency-Key": f"app-{number}", "Content-Type": "application/json"}
    body = json.dumps({"name": f"App {number}"}).encode()
    while True:
        request = urllib.request.Request(f"{servers[-1].url}/api/v1/apps", body, headers)
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            urllib.request.urlopen(request, timeout=5) as response,
        ):
            return str(response.headers["Location"])
        time.sleep(0.02)
