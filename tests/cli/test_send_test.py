"""``checkend send-test``, against a running server."""

from contextlib import closing
from pathlib import Path
from typing import Any

from checkend.server.waitress_server import bind, url_of
from tests.support.server_process import LiveServer


def test_a_test_error_goes_through_the_server_and_is_found_where_it_says(
    run: Any, read: Any, instance: Path, monkeypatch: Any
) -> None:
    read("app", "create", "Shop")
    key = read("api-key", "create", "reader", "--read-only")["key"]
    with LiveServer(instance) as server, server.connect() as connection:
        sent = read("send-test", "shop", "--url", server.url + "/")
        assert sent["url"] == f"{server.url}/problems/{sent['problem_id']}"
        monkeypatch.setenv("CHECKEND_URL", server.url)
        assert f"See it at {sent['url']}" in run("send-test", "1").stdout
        problems = connection.ask("GET", "/api/v1/apps/shop/problems", Checkend_API_Key=key)[1]["data"]
    assert [(problem["id"], problem["error_class"], problem["tags"][0]["name"]) for problem in problems] == [
        (sent["problem_id"], "CheckendTestError", "test")
    ]


def test_without_a_server_it_says_so(run: Any, monkeypatch: Any) -> None:
    run("app", "create", "Shop")
    with closing(bind("127.0.0.1", 0)) as silent:
        address = url_of(silent)
        monkeypatch.setenv("CHECKEND_PORT", address.rsplit(":", 1)[1])
        refused = run("send-test", "shop", status=1)
    assert f"No server answers at {address} (" in refused.stderr


def test_the_servers_own_words_are_passed_on(run: Any, read: Any, instance: Path, tmp_path: Path) -> None:
    read("app", "create", "Shop")
    with LiveServer(tmp_path / "other") as stranger:
        refused = run("send-test", "shop", "--url", stranger.url, status=1)
    assert "answered 401" in refused.stderr
    assert "nvalid" in refused.stderr


def test_an_address_that_is_none_is_refused(run: Any) -> None:
    assert "'nonsense' is not a URL" in run("send-test", "shop", "--url", "nonsense", status=2).stderr


def test_an_app_that_does_not_exist_ends_with_3(run: Any) -> None:
    run("app", "create", "Shop")
    assert "There is no app 'gone'" in run("send-test", "gone", status=3).stderr
