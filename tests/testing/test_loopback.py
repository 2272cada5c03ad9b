"""Servers for one developer: pages of other sites can neither use nor read them through a browser."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from checkend.cli import dev
from checkend.server.loopback import host_error, origin_error
from checkend.testing import CheckendApp
from checkend.testing._runner.runner import FixtureRunner

OWN_HOSTS = ("127.0.0.1", "localhost", "LocalHost", "[::1]", "127.0.0.2", "shop.localhost")
FOREIGN_HOSTS = (
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example@localhost",
    "localhost@evil.example",
    "evil.example, localhost",
    "10.0.0.1",
    "0.0.0.0",
    "2130706433",
    "checkend",
    "",
)
OWN_ORIGINS = ("http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080", "http://shop.localhost")
FOREIGN_ORIGINS = (
    "https://evil.example",
    "http://localhost.evil.example",
    "null",
    "file://",
    "",
    "localhost",
    "http://",
)


def ask(url: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request(
        method,
        path,
        None if body is None else json.dumps(body),
        {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()},
    )
    response = connection.getresponse()
    text = response.read()
    connection.close()
    is_json = response.getheader("Content-Type", "").startswith("application/json")
    return response.status, json.loads(text) if is_json else text


@pytest.mark.parametrize("host", [*OWN_HOSTS, *(f"{host}:8080" for host in OWN_HOSTS)])
def test_names_of_this_machine(host: str) -> None:
    assert host_error({"HTTP_HOST": host}) is None
    assert host_error({"HTTP_HOST": host}, also="checkend") is None


@pytest.mark.parametrize("host", [*FOREIGN_HOSTS, *(f"{host}:8080" for host in FOREIGN_HOSTS)])
def test_other_names(host: str) -> None:
    for also in (None, "127.0.0.1", "localhost", "::1"):
        message = host_error({"HTTP_HOST": host}, also=also)
        assert message
        assert "only to requests for localhost and 127.0.0.1," in message


def test_a_server_told_to_listen_elsewhere_responds_to_that_name_and_to_addresses() -> None:
    for host in ("checkend:8080", "CHECKEND", "10.0.0.1:8080", "[fd00::1]:8080"):
        assert host_error({"HTTP_HOST": host}, also="checkend") is None
    for host in ("evil.example", "checkend.evil.example", "other"):
        assert "only to requests for localhost, checkend and IP addresses," in str(
            host_error({"HTTP_HOST": host}, also="checkend")
        )
    assert host_error({"HTTP_HOST": "evil.example"}, also="0.0.0.0")


def test_origins() -> None:
    assert origin_error({}) is None
    assert origin_error({"HTTP_ORIGIN": "http://checkend:8080", "HTTP_HOST": "checkend:8080"}) is None
    assert [origin for origin in OWN_ORIGINS if origin_error({"HTTP_ORIGIN": origin})] == []
    assert [origin for origin in FOREIGN_ORIGINS if not origin_error({"HTTP_ORIGIN": origin})] == []


CONTROL = (
    ("GET", "/_fixture/journal"),
    ("GET", "/_fixture/report"),
    ("GET", "/_fixture/wait?timeout=0"),
    ("POST", "/_fixture/reset"),
    ("POST", "/_fixture/apps"),
    ("DELETE", "/_fixture/faults"),
    ("GET", "/_fixture/nothing"),
)


def test_the_fixture_can_be_neither_reset_nor_read_from_elsewhere(tested: CheckendApp) -> None:
    report = {"error": {"class": "Kept"}}
    sent = ask(tested.url, "POST", "/ingest/v1/errors", report, Checkend_Ingestion_Key=tested.ingestion_key)
    assert sent[0] == 201
    for method, path in CONTROL:
        status, value = ask(tested.url, method, path, Host="evil.example:80")
        assert (status, list(value)) == (403, ["error"])
        assert "the request was for 'evil.example:80'" in value["error"]
        status, value = ask(tested.url, method, path, Origin="https://evil.example")
        assert (status, list(value)) == (403, ["error"])
        assert "this one came from 'https://evil.example'" in value["error"]
    assert [problem["error_class"] for problem in tested.problems()] == ["Kept"]
    journal = ask(tested.url, "GET", f"/_fixture/journal?app={tested.slug}", Origin="http://localhost:3000")
    assert (journal[0], len(journal[1]["requests"])) == (200, 1)


def test_reports_to_the_fixture_come_from_anywhere(tested: CheckendApp) -> None:
    headers = {"Host": "checkend:8080", "Origin": "https://shop.example"}
    key = tested.ingestion_key
    report = {"error": {"class": "E"}}
    assert ask(tested.url, "POST", "/ingest/v1/errors", report, Checkend_Ingestion_Key=key, **headers)[0] == 201


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/_fixture/wait?error_clas=E&timeout=0", "Unknown parameter 'error_clas'; did you mean 'error_class'?"),
        ("GET", "/_fixture/wait?cuont=0", "Unknown parameter 'cuont'; did you mean 'count'?"),
        ("GET", "/_fixture/wait?request=2", "Unknown parameter 'request'; did you mean 'requests'?"),
        ("GET", "/_fixture/journal?ap=x", "Unknown parameter 'ap'; did you mean 'app'?"),
        ("GET", "/_fixture/report?slug=x", "Unknown parameter 'slug'; did you mean 'app'?"),
        ("POST", "/_fixture/reset?apps=x", "Unknown parameter 'apps'; did you mean 'app'?"),
        ("DELETE", "/_fixture/faults?aap=x", "Unknown parameter 'aap'; did you mean 'app'?"),
        ("POST", "/_fixture/faults?app=x", "Unknown parameter 'app'; none is accepted here."),
        ("POST", "/_fixture/apps?name=x", "Unknown parameter 'name'; none is accepted here."),
        (
            "GET",
            "/_fixture/wait?requests=1&message=x",
            "requests cannot be combined with count, error_class or message.",
        ),
        ("GET", f"/_fixture/wait?count={'9' * 5000}", "count must be a whole number from 0 to 1000000."),
    ],
)
def test_a_parameter_without_effect_is_rejected(tested: CheckendApp, method: str, path: str, error: str) -> None:
    assert ask(tested.url, method, path) == (422, {"error": error})


def test_a_field_without_effect_is_rejected(tested: CheckendApp) -> None:
    assert ask(tested.url, "POST", "/_fixture/apps", {"nmae": "x"}) == (422, {"error": "Unknown field: nmae."})


def test_empty_parameters_count_as_not_given(tested: CheckendApp) -> None:
    empty = "error_class=&message&count=&requests=&timeout=0"
    assert ask(tested.url, "GET", f"/_fixture/wait?app={tested.slug}&{empty}")[0] == 404
    assert ask(tested.url, "GET", f"/_fixture/wait?app={tested.slug}&count=0&{empty.replace('count=&', '')}") == (
        200,
        {"problem": None},
    )


def test_a_fixture_for_other_containers_responds_to_addresses_and_not_to_names() -> None:
    running = FixtureRunner({}, host="0.0.0.0")
    try:
        running.fixture.create_app("main")
        url = running.fixture.url
        assert url.startswith("http://127.0.0.1:")
        assert ask(url, "GET", "/_fixture/journal", Host="10.1.2.3:80")[0] == 200
        assert ask(url, "GET", "/_fixture/journal", Host="evil.example:80")[0] == 403
    finally:
        running.stop()


@pytest.fixture
def development(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Provide the URL and ingestion key of the server of ``checkend dev``."""
    monkeypatch.setenv("CHECKEND_INSTANCE_PATH", str(tmp_path))
    with dev._server(0) as (app, url), dev._keys(app) as (ingestion_key, _):
        yield url, ingestion_key


def test_the_development_server_responds_to_its_own_host_only(development: tuple[str, str]) -> None:
    url, key = development
    for method, path in (
        ("GET", "/"),
        ("GET", "/up"),
        ("GET", "/static/checkend.js"),
        ("GET", "/api/v1/health"),
        ("POST", "/ingest/v1/errors"),
        ("OPTIONS", "/ingest/v1/errors"),
    ):
        status, value = ask(url, method, path, Host="evil.example", Checkend_Ingestion_Key=key)
        assert (status, value["error"]) == (403, "forbidden")
        assert "responds only to requests for localhost and 127.0.0.1" in value["message"]
    assert ask(url, "GET", "/api/v1/health")[0] == 200


def test_the_development_server_takes_requests_from_its_own_pages_and_reports_from_any(
    development: tuple[str, str],
) -> None:
    url, key = development
    foreign = {"Origin": "https://shop.example"}
    for path in ("/sign-in", "/api/v1/apps", "/nothing"):
        assert ask(url, "POST", path, {}, **foreign)[0] == 403
        assert ask(url, "POST", path, {}, Origin=url)[0] in (400, 401, 404)
    assert ask(url, "GET", "/api/v1/health", **foreign)[0] == 403
    assert ask(url, "GET", "/api/v1/health", Origin=url)[0] == 200
    for _ in range(2):  # the first report of a key takes another path than those that follow
        report = {"error": {"class": "E"}}
        assert ask(url, "POST", "/ingest/v1/errors", report, Checkend_Ingestion_Key=key, **foreign)[0] == 201
    assert ask(url, "OPTIONS", "/ingest/v1/errors", **foreign)[0] == 204
