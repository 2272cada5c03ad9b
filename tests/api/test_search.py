"""The query language of searches, through the API: words, phrases, exclusions and tokens."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from checkend import clock
from tests.support.api import Api, assert_error
from tests.support.factories import Factory

CONSOLE_LINE = "TypeError: Cannot read properties of undefined (reading 'currency')"


def error(name: str, message: str, trace: str = "/srv/app.py:1 in run", **more: Any) -> dict[str, Any]:
    return {"error": {"class": name, "message": message, "backtrace": [trace], **more.pop("error", {})}, **more}


REPORTS = {
    "currency": error(
        "TypeError",
        "Cannot read properties of undefined (reading 'currency')",
        "at formatPrice (https://shop.example/assets/app.js:120:17)",
        context={"environment": "Production", "revision": "1.4.2", "hostname": "web-1"},
        request={"url": "https://shop.example/cart"},
        user={"id": "ada"},
        error={"tags": ["checkout"], "level": "error"},
    ),
    "timeout": error(
        "TimeoutError",
        "Payment provider took too long, exit code -1",
        "/srv/payments/client.py:7 in charge",
        context={"environment": "staging", "revision": "1.4.1", "hostname": "worker-2"},
        error={"level": "warning"},
    ),
    "total": error("NoMethodError", "undefined method 'total' for nil", "/srv/models/cart.rb:42:in 'Cart#total'"),
}


@pytest.fixture
def find(api: Api, client: FlaskClient, make: Factory) -> Any:
    """Return ``find("a search")``: it returns the names of the reports whose problems are found, the latest first."""
    names: dict[int, str] = {}
    for app, report_names in (("Web shop", ("currency", "total")), ("Payments", ("timeout",))):
        key = make.app(app)["ingestion_key"]
        for name in report_names:
            response = client.post(
                "/ingest/v1/errors", json=REPORTS[name], headers={"Checkend-Ingestion-Key": key}
            ).get_json()
            names[response["problem_id"]] = name

    def search(text: str, **filters: Any) -> set[str]:
        response = api.get("/problems", search=text, **filters)
        assert response.status_code == 200, response.text
        return {names[problem["id"]] for problem in response.get_json()["data"]}

    search.ids = {name: number for number, name in names.items()}  # type: ignore[attr-defined]
    return search


FOUND = {
    CONSOLE_LINE: {"currency"},
    f"Uncaught {CONSOLE_LINE}": {"currency"},
    f"Uncaught (in promise) {CONSOLE_LINE}": {"currency"},
    "Payment provider took too long, exit code -1": {"timeout"},
    "undefined": {"currency", "total"},
    "undefined method": {"total"},
    "total nil": {"total"},
    '"total for nil"': set(),
    "\"method 'total'\"": {"total"},
    "undefined -currency": {"total"},
    'undefined -"for nil"': {"currency"},
    "formatPrice": {"currency"},  # the culprit
    "client.py": {"timeout"},
    "checkout": {"currency"},  # a tag
    "check": {"currency"},
    "TypeError checkout formatPrice": {"currency"},
    "TypeError nil": set(),
    "app:payments": {"timeout"},
    "app:SHOP": {"currency", "total"},
    "app:payments app:web-shop": {"currency", "timeout", "total"},
    "-app:payments undefined": {"currency", "total"},
    "env:prod": {"currency"},
    'env:"production"': {"currency"},
    'env:"prod"': set(),
    "-env:production": {"timeout", "total"},
    "release:1.4": {"currency", "timeout"},
    "release:1.4.2": {"currency"},
    "host:web-1": {"currency"},
    "user:ada": {"currency"},
    "url:/cart": {"currency"},
    "tag:checkout": {"currency"},
    "tag:check": set(),
    "level:warning": {"timeout"},
    "level:warning level:error": {"currency", "timeout", "total"},
    "-level:warning": {"currency", "total"},
    "class:error": {"currency", "timeout", "total"},
    'class:"typeerror"': {"currency"},
    "is:new": {"currency", "timeout", "total"},
    "is:open": {"currency", "timeout", "total"},
    "is:resolved": set(),
    "is:muted": set(),
    "is:regressed": set(),
    "first:<1h": {"currency", "timeout", "total"},
    "first:>1h": set(),
    "last:<7d": {"currency", "timeout", "total"},
    "last:>2026-11-20": {"currency", "timeout", "total"},
    "last:<2026-11-20": set(),
    "times:1": {"currency", "timeout", "total"},
    "times:>1": set(),
    "times:<=1 undefined": {"currency", "total"},
    "unknown:token": set(),  # ordinary text
    "url: nothing": set(),
    '"': set(),
    "''' -- %": set(),
}


def test_terms_find_what_matches_all_of_them(find: Any) -> None:
    assert {text: find(text) for text in FOUND} == FOUND


def test_states_follow_the_problem(find: Any, api: Api, client: FlaskClient) -> None:
    number = find.ids["timeout"]
    api.post(f"/apps/payments/problems/{number}/mute", {})
    assert find("is:muted") == {"timeout"}
    assert find("is:open") == {"currency", "total"}
    api.post(f"/apps/payments/problems/{number}/resolve")
    assert find("is:resolved") == {"timeout"}
    api.post("/apps/payments/regenerate_ingestion_key")
    key = api.post("/apps/payments/regenerate_ingestion_key").get_json()["ingestion_key"]
    again = REPORTS["timeout"] | {"context": {"environment": "staging", "n": 2}}
    again["error"] = again["error"] | {"occurred_at": clock.iso(clock.now() + timedelta(seconds=1))}
    client.post("/ingest/v1/errors", json=again, headers={"Checkend-Ingestion-Key": key})
    assert find("is:regressed") == {"timeout"}
    assert find("is:regressed env:production") == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "is:assigned",
            "is:assigned is unknown. Use is: with one of new, regressed, open, muted, resolved.",
        ),
        (
            "level:loud",
            "level:loud is unknown. Use level: with one of debug, info, warning, error, fatal.",
        ),
        ("times:many", "times:many is not a number of occurrences, such as times:>100."),
        ("first:soon", "first:soon is not a time, such as first:<7d or first:>2026-11-20."),
        ("last:<999999w", "last:<999999w is not a time, such as last:<7d or last:>2026-11-20."),
    ],
)
def test_a_token_with_an_invalid_value_is_rejected(api: Api, text: str, message: str) -> None:
    assert_error(api.get("/problems", search=text), 422, f"search is invalid: {message}")


def test_of_a_long_search_only_the_complete_terms_are_used(find: Any) -> None:
    assert find("undefined " * 19 + "nowhere-to-be-found") == {"currency", "total"}
    assert find("undefined " * 18 + "nowhere") == set()
