"""docs/api.md: every route of the Management API, with its permission and a request that was really sent."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask
from werkzeug.routing import Rule

from checkend.app import create_app
from checkend.services import services
from tests.docs.curl import Curl
from tests.docs.examples import DOCS

PREFIX = "/api/v1"
_ROUTE = re.compile(r"^### (?P<methods>[A-Z, ]+) `(?P<path>/\S*)`\n(?P<text>.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^```sh\n(curl .*?)\n```\n\n```http\nHTTP/1.1 (\d+)", re.MULTILINE | re.DOTALL)


class Route(NamedTuple):
    """One section of the document."""

    methods: frozenset[str]
    path: str
    permission: str | None
    statuses: tuple[int, ...]
    examples: tuple[tuple[str, int], ...]


def _routes() -> Iterator[Route]:
    for section in _ROUTE.finditer((DOCS / "api.md").read_text(encoding="utf-8")):
        text = section["text"]
        permission, responses = (re.search(rf"^- {name}: ((?:.|\n  )*)", text, re.MULTILINE) for name in FACTS)
        assert permission is not None, section[0]
        assert responses is not None, section[0]
        name = re.match(r"`([a-z:]+)`", permission[1])
        yield Route(
            frozenset(section["methods"].split(", ")),
            section["path"],
            name[1] if name else None,
            tuple(int(status) for status in re.findall(r"\b[2-5]\d\d\b", responses[1])),
            tuple((command, int(status)) for command, status in _EXAMPLE.findall(text)),
        )


FACTS = ("Permission", "Responses")
ROUTES = tuple(_routes())


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Provide the server whose routes are compared; none of these tests changes anything."""
    app = create_app({"LOG_LEVEL": "error"}, instance_path=tmp_path_factory.mktemp("docs"))
    yield app
    services(app).close()


def _rules(app: Flask) -> dict[tuple[frozenset[str], str], Rule]:
    """Return the rules of the API by what a section's heading has: the methods and the path."""
    return {
        (
            frozenset((rule.methods or set()) - {"HEAD", "OPTIONS"}),
            re.sub(r"<(\w+)>", r":\1", rule.rule.removeprefix(PREFIX)),
        ): rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and not rule.endpoint.startswith("api_openapi.")  # described in a section
    }


def test_each_route_has_one_section_and_each_section_a_route(app: Flask) -> None:
    documented = [(route.methods, route.path) for route in ROUTES]
    assert sorted(map(str, documented)) == sorted(map(str, _rules(app)))


def test_each_section_names_the_permission_that_the_route_requires(app: Flask) -> None:
    required: dict[Any, str | None] = {
        route: getattr(app.view_functions[rule.endpoint], "permission", None) for route, rule in _rules(app).items()
    }
    assert {(route.methods, route.path): route.permission for route in ROUTES} == required


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_each_section_shows_a_request_to_its_route_and_lists_the_status(app: Flask, route: Route) -> None:
    rule = _rules(app)[route.methods, route.path]
    urls = app.url_map.bind("127.0.0.1")
    variables = dict.fromkeys(("CHECKEND_ENDPOINT", "CHECKEND_MANAGEMENT_KEY", "READ_ONLY_KEY"), "")
    for command, status in route.examples:
        curl = Curl(command, variables, {})
        matched, _ = urls.match(curl.url.partition("?")[0], curl.method, return_rule=True)
        assert matched.endpoint == rule.endpoint
        assert curl.method in route.methods
        assert status in {*route.statuses, 403}
    assert [status for _, status in route.examples][:1] == [route.statuses[0]]


def test_each_permission_is_in_the_table(app: Flask) -> None:
    table = set(re.findall(r"^\| `([a-z]+:[a-z]+)` \|", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert table == {route.permission for route in ROUTES} - {None}
