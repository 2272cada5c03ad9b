"""The client of the Management API: retries, idempotency keys, its environment, and pages."""

from collections.abc import Iterator
from http.client import HTTPException
from types import SimpleNamespace
from typing import Any

import pytest

from checkend.client import ApiError, Client
from checkend.client.caller import MAX_RETRY_AFTER_SECONDS
from checkend.testing import CheckendApp
from tests.support.fixture_process import report
from tests.support.receiver import Receiver


@pytest.fixture
def server() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the seconds for which the client would wait, and do not wait."""
    seconds: list[float] = []
    monkeypatch.setattr("checkend.client.caller.time", SimpleNamespace(sleep=seconds.append))
    return seconds


def client(server: Receiver, **options: int) -> Client:
    return Client(server.url.removesuffix("/hook"), "cka_x", **options)


def test_a_request_that_the_server_cannot_handle_now_is_repeated_when_it_says(
    server: Receiver, waits: list[float]
) -> None:
    server.script = [(503, {"Retry-After": "7"}), (429, {"Retry-After": "90000"}), (200, {})]
    client(server).apps()
    assert waits == [7, MAX_RETRY_AFTER_SECONDS]
    assert [got.path for got in server.requests] == ["/api/v1/apps"] * 3


def test_without_a_time_the_client_waits_longer_each_time_and_then_gives_up(
    server: Receiver, waits: list[float]
) -> None:
    server.script = [(502, {})] * 5
    with pytest.raises(ApiError) as caught:
        client(server, retries=4).apps()
    assert caught.value.status == 502
    assert len(server.requests) == 5
    assert [0.5 * 2**n <= seconds <= 2**n for n, seconds in enumerate(waits)] == [True] * 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_other_errors_are_not_repeated(server: Receiver, waits: list[float], status: int) -> None:
    server.script = [(status, {})]
    with pytest.raises(ApiError):
        client(server).apps()
    assert (len(server.requests), waits) == (1, [])


def test_a_repeated_post_has_the_same_idempotency_key_and_each_call_another_one(
    server: Receiver, waits: list[float]
) -> None:
    server.script = [(503, {}), (200, {}), (200, {}), (200, {})]
    caller = client(server)
    caller.create_app("Shop")
    caller.create_app("Shop")
    caller.call("POST", "/apps", {"name": "Shop"}, idempotency_key="deploy-42")
    first, again, second, chosen = [got.headers["Idempotency-Key"] for got in server.requests]
    assert first == again != second
    assert chosen == "deploy-42"


def test_a_server_that_is_away_is_tried_again_and_reported(server: Receiver, waits: list[float]) -> None:
    caller = client(server)
    server.close()
    with pytest.raises((OSError, HTTPException)):
        caller.apps()
    assert len(waits) == 2


def test_a_retried_post_takes_effect_once(tested: CheckendApp) -> None:
    first = tested.client.call("POST", "/apps", {"name": "Once"}, idempotency_key="once")
    assert tested.client.call("POST", "/apps", {"name": "Once"}, idempotency_key="once") == first
    assert [app["name"] for app in tested.client.apps()].count("Once") == 1


def test_the_environment_names_the_server_and_the_key(tested: CheckendApp) -> None:
    variables = {"CHECKEND_ENDPOINT": tested.url, "CHECKEND_MANAGEMENT_KEY": tested.api_key}
    with Client.from_env(variables) as found:
        assert tested.slug in [app["slug"] for app in found.apps()]
    with pytest.raises(ValueError, match="CHECKEND_MANAGEMENT_KEY is not set"):
        Client.from_env({"CHECKEND_ENDPOINT": tested.url})


def test_a_page_is_requested_when_its_first_item_is(tested: CheckendApp, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        report(tested, f"Error{number}")
    monkeypatch.setattr("checkend.client.caller.MAX_PER_PAGE", 2)
    calls: list[int] = []
    call = tested.client.call

    def noting(*path: Any, **query: Any) -> Any:
        calls.append(query["page"])
        return call(*path, **query)

    monkeypatch.setattr(tested.client, "call", noting)
    problems = tested.client.iter_problems(tested.slug, sort="oldest")
    assert [next(problems)["error_class"], next(problems)["error_class"], calls] == ["Error0", "Error1", [1]]
    assert [problem["error_class"] for problem in problems] == ["Error2"]
    assert calls == [1, 2]
