"""``checkend send-test``, against a running server."""

from contextlib import closing
from pathlib import Path
from typing import Any

from checkend.server.waitress_server import bind, url_of
from tests.support.server_process import LiveServer


def test_a_test_error_is_stored_by_the_server_and_found_at_the_url_printed(
    run: Any, read: Any, instance: Path, monkeypatch: Any
) -> None:
    read("app", "create", "Shop")
    key = read("api-key", "create", "reader", "--read-only")["key"]
    with LiveServer(instance) as server, server.connect() as connection:
        sent = read("send-test", "shop", "--url", server.url + "/")
        assert sent["url"] == f"{server.url}/problems/{sent['problem_id']}"
        monkeypatch.setenv("CHECKEND_URL", server.url)
        assert f"View it at {sent['url']}" in run("send-test", "1").stdout
        problems = connection.ask("GET", "/api/v1/apps/shop/problems", Checkend_API_Key=key)[1]["data"]
    assert [(problem["id"], problem["error_class"], problem["tags"][0]["name"]) for problem in problems] == [
        (sent["problem_id"], "CheckendTestError", "test")
    ]


def test_without_a_server_it_fails_with_a_message(run: Any, monkeypatch: Any) -> None:
    run("app", "create", "Shop")
    with closing(bind("127.0.0.1", 0)) as silent:
        url = url_of(silent)
        monkeypatch.setenv("CHECKEND_PORT", url.rsplit(":", 1)[1])
        error = run("send-test", "shop", status=1).stderr
    assert f"No server responds at {url} (" in error


def test_the_servers_error_message_is_printed(run: Any, read: Any, instance: Path, tmp_path: Path) -> None:
    read("app", "create", "Shop")
    with LiveServer(tmp_path / "other") as other_server:
        error = run("send-test", "shop", "--url", other_server.url, status=1).stderr
    assert "responded with status 401" in error
    assert "nvalid" in error


def test_an_invalid_url_is_rejected(run: Any) -> None:
    assert "'nonsense' is not a URL" in run("send-test", "shop", "--url", "nonsense", status=2).stderr


def test_an_unknown_app_exits_with_status_3(run: Any) -> None:
    run("app", "create", "Shop")
    assert "There is no app 'gone'" in run("send-test", "gone", status=3).stderr
