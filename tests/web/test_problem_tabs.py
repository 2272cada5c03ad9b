"""The tabs of a list of problems: New, Regressed, Open, Muted, Resolved and All, each with its count."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from checkend import clock
from tests.support.factories import Factory
from tests.support.pages import sign_in, submit
from tests.web.test_problems import listed


@pytest.fixture
def admin(client: FlaskClient, make: Factory) -> FlaskClient:
    """Return a site admin's client; there is one problem for each tab."""
    make.user("admin@example.com", site_admin=True)
    app, old = make.app("Shop")["id"], clock.now() - timedelta(days=3)
    make.problem(app, error_class="Fresh")
    make.problem(app, error_class="Aged", at=old)
    make.problem(app, error_class="Again", at=old, regressed_at=clock.now())
    make.problem(app, error_class="Hushed", at=old, muted_at=clock.now())
    make.problem(app, error_class="Fixed", at=old, status="resolved")
    with make.writing() as session:
        session.connection().exec_driver_sql("UPDATE apps SET muted_problems_count = 1")
    sign_in(client, "admin@example.com")
    return client


def tabs(client: FlaskClient, path: str) -> dict[str, int]:
    found = re.findall(r'aria-current="page"|>(\w+) <span class="count">(\d+)</span></a>', client.get(path).text)
    return {name: int(count) for name, count in found if name and name != "Problems"}


@pytest.mark.parametrize("path", ["/problems", "/apps/shop/problems"])
def test_each_tab_lists_its_problems_and_counts_them(admin: FlaskClient, path: str) -> None:
    expected = {
        "new": ["Fresh"],
        "regressed": ["Again"],
        "unresolved": ["Again", "Aged", "Fresh"],
        "muted": ["Hushed"],
        "resolved": ["Fixed"],
        "all": ["Again", "Aged", "Fixed", "Fresh", "Hushed"],
    }
    assert {tab: sorted(listed(admin, f"{path}?status={tab}")) for tab in expected} == expected
    counts = {"New": 1, "Regressed": 1, "Open": 3, "Muted": 1, "Resolved": 1, "All": 5}
    assert tabs(admin, path) == counts
    assert tabs(admin, f"{path}?search=Fresh") == counts | dict.fromkeys(("Regressed", "Muted", "Resolved"), 0) | {
        "Open": 1,
        "All": 1,
    }


def test_a_problem_that_is_resolved_again_leaves_the_tab(admin: FlaskClient) -> None:
    assert listed(admin, "/problems?status=regressed") == ["Again"]
    submit(admin, "/problems/3/resolve")
    assert listed(admin, "/problems?status=regressed") == []
    assert "Nothing regressed" in admin.get("/problems?status=regressed").text
