"""Ids of records that do not exist, in every URL and parameter that contains one."""

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.factories import Factory
from tests.support.pages import sign_in

HOSTILE = ("-1", "0", "1e3", "1.0", "+1", "٣", "1\x00", "9223372036854775808", "9" * 5000, "-" + "9" * 30)
IN_URLS = ("-1", "٣", "9223372036854775808", "9" * 5000)
VALID = {"slug": "shop", "app_slug": "shop", "app_id": "shop", "team_id": "core", "user_id": "admin"}
NO_ID = {"token", "filename"}


@pytest.fixture
def admin(app: Flask, make: Factory) -> FlaskClient:
    app.config["WTF_CSRF_METHODS"] = []
    make.user("admin@example.com", site_admin=True)
    make.app()
    make.team("Core", 1)
    make.problem(1, notices=1)
    client = app.test_client()
    sign_in(client, "admin@example.com")
    return client


def urls(app: Flask) -> list[tuple[str, str]]:
    """Yield each route with an id once for each hostile value in place of each id; the other ids exist."""
    found = []
    for rule in app.url_map.iter_rules():
        for hostile_name in rule.arguments - NO_ID:
            template = re.sub(
                r"<(?:int:)?(\w+)>",
                lambda match, name=hostile_name: "{}" if match[1] == name else VALID.get(match[1], "1"),
                rule.rule.replace("/teams/<slug>", "/teams/core").replace("/users/<slug>", "/users/admin")
                if hostile_name != "slug"
                else rule.rule,
            )
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found += [(method, template.format(quote(id))) for method in methods for id in IN_URLS]
    return found


@pytest.mark.slow
def test_unknown_ids_in_urls_are_not_found(
    app: Flask, admin: FlaskClient, key_for: Callable[..., dict[str, str]]
) -> None:
    headers, found = key_for(), urls(app)
    assert len(found) > 300
    statuses = {(method, url): admin.open(url, method=method, headers=headers).status_code for method, url in found}
    assert {call: status for call, status in statuses.items() if status != 404} == {}


def test_unknown_ids_in_parameters_and_forms_cause_no_internal_error(admin: FlaskClient) -> None:
    for id in HOSTILE:
        answers = [
            admin.get(url, query_string={"before": id, "page": id}) for url in ("/problems/1/notices", "/problems")
        ]
        for url in ("/apps/shop/problems", "/teams/core/members", "/teams/core/apps", "/teams/core/owner"):
            form = dict.fromkeys(("problem", "problem_ids", "ids", "id", "user", "app", "app_id", "member"), id)
            answers.append(admin.post(url, data=form | {"action": "resolve", "role": "admin"}))
        assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
        assert id == "+1" or answers[-1].status_code == 404


def test_unknown_ids_in_api_bodies_are_rejected(admin: FlaskClient, key_for: Callable[..., dict[str, str]]) -> None:
    headers = key_for()
    for id in (*HOSTILE, -1, 0, 2**63, -(2**63) - 1, 10**40):
        for url, body in (
            ("/teams/core/apps", {"app_id": id}),
            ("/teams/core/apps", {"app": {"id": id}}),
            ("/teams/core/members", {"user_id": id}),
            ("/teams", {"name": "A", "owner_id": id}),
        ):
            assert admin.post(f"/api/v1{url}", json=body, headers=headers).status_code == 422
        answer = admin.post("/api/v1/apps/shop/problems/bulk_resolve", json={"problem_ids": [id]}, headers=headers)
        assert answer.status_code == 422 or answer.get_json()["count"] == 0
        arrivals = admin.get("/api/v1/arrivals", query_string={"after": str(id)}, headers=headers)
        assert arrivals.status_code in (200, 422)
