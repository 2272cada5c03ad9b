"""Query parameters: empty ones count as not given, unknown ones are rejected by every route."""

import re
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.schemas.unknown_parameters import unknown_parameters
from tests.api.test_permission_matrix import OPEN, TABLE, everything_in, path_of, records
from tests.support.api import Api, assert_error, assert_page
from tests.support.factories import Factory

__all__ = ["records"]

PROBLEM_FILTERS = (
    "status muted search tags tags[] environment environment[] release date_from date_to first_from first_to "
    "min_notices sort page per_page"
).split()
LISTS = {
    "/problems": ([*PROBLEM_FILTERS, "app", "app[]"], ("aps", "app")),
    "/apps/<app_id>/problems": (PROBLEM_FILTERS, ("stauts", "status")),
    "/apps/<app_id>/problems/<problem_id>/notices": (
        "date_from date_to page per_page".split(),
        ("datefrom", "date_from"),
    ),
    "/arrivals": (["after", "wait"], ("wiat", "wait")),
    "/apps/<app_id>/arrivals": (["after", "wait"], ("aftre", "after")),
}


@pytest.mark.parametrize("rule", LISTS)
def test_a_parameter_without_a_value_counts_as_not_given(rule: str, api: Api, records: None) -> None:
    names, _ = LISTS[rule]
    plain = api.get(path_of(rule)).get_json()
    for query in ("&".join(f"{quote(name)}=" for name in names), "&".join(quote(name) for name in names)):
        response = api.get(f"{path_of(rule)}?{query}")
        assert (response.status_code, response.get_json()) == (200, plain)


def test_an_empty_value_does_not_hide_one_that_was_given(api: Api, records: None) -> None:
    assert_page(api.get("/apps/1/problems?status=&status=resolved&tags=&tags[]=&page="), 1, 25, 0, 0)


def test_the_status_all_applies_no_filter(api: Api, make: Factory, records: None) -> None:
    api.post(f"/apps/1/problems/{make.problem(1)}/resolve")
    assert len(assert_page(api.get("/apps/1/problems", status="all"), 1, 25, 2, 1)) == 2


@pytest.mark.parametrize("rule", LISTS)
def test_an_unknown_parameter_is_reported_with_the_closest_known_one(rule: str, api: Api, records: None) -> None:
    _, (wrong, right) = LISTS[rule]
    message = f"Unknown parameter '{wrong}'; did you mean '{right}'?"
    for query in (f"{wrong}=1", f"{wrong}=", wrong):
        assert_error(api.get(f"{path_of(rule)}?{query}"), 422, message)


def test_every_invalid_parameter_is_reported_at_once(api: Api, records: None) -> None:
    assert_error(
        api.get("/apps/1/problems?stauts=resolved&page=0"),
        422,
        "Unknown parameter 'stauts'; did you mean 'status'?",
        "page must be a whole number, 1 or more.",
    )


def test_every_route_rejects_unknown_parameters_after_401_403_and_404(
    client: FlaskClient, key_for: Callable[..., dict[str, str]], records: None
) -> None:
    keys = {permission: Api(client, key_for(permission)) for permission in ALL_PERMISSIONS}
    before = everything_in(client.application)
    for (method, rule), call in TABLE.items():
        path = f"{path_of(rule)}?nonsense=1"
        assert_error(Api(client, {}).call(method, path, call.json), 401)
        other = "users:read" if call.permission != "users:read" else "teams:read"
        assert_error(keys[other].call(method, path, call.json), 403)
        if "<" in rule:
            missing = re.sub(r"<(app|team|user)_id>", "99", rule)
            assert_error(keys[call.permission].call(method, f"{path_of(missing)}?nonsense=1", call.json), 404)
        response = keys[call.permission].call(method, path, call.json)
        assert_error(response, 422)
        assert response.get_json()["message"].startswith("Unknown parameter 'nonsense'")
    assert everything_in(client.application) == before


@pytest.mark.parametrize("route", OPEN)
def test_routes_without_authentication_reject_unknown_parameters_too(
    route: tuple[str, str], client: FlaskClient
) -> None:
    assert_error(Api(client, {}).call(*route, query_string="x=1"), 422, "Unknown parameter 'x'; none is accepted here.")


def test_a_url_full_of_unknown_parameters_costs_little() -> None:
    names = [f"{number}".ljust(200, "x") for number in range(20_000)] + ["\x1b[31m"]
    started = time.process_time()
    messages = unknown_parameters([*names, "status", *names], ("status", "search"))
    assert time.process_time() - started < 0.5
    assert len(messages) == 11
    assert messages[-1] == "19991 more parameters are unknown."
    assert max(map(len, messages)) < 200


def test_a_name_that_cannot_be_printed_is_escaped() -> None:
    assert unknown_parameters(["\x1b[31m"], ()) == [r"Unknown parameter '\x1b[31m'; none is accepted here."]
