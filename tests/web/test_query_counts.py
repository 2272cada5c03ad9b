"""The number of SQL statements of a page does not grow with its rows."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.models import App, Channel, Delivery, Problem
from tests.support.api import counting
from tests.support.factories import Factory
from tests.support.pages import sign_in

PAGES = (
    "/",
    "/problems?status=all",
    "/problems?search=broke",
    "/apps/shop/problems",
    "/problems/1",
    "/problems/1/notices",
    "/apps/shop",
    "/apps/shop/alerts",
    "/apps/shop/alerts/1/deliveries",
)


def grow(make: Factory, number: int) -> None:
    """Add an app, and to the first one a problem with a tag and a notice, and a notice of its first problem."""
    team = make.team(f"Team {number}")
    make.assign(team, int(make.app(f"App {number}")["id"]))
    problem = make.problem(1, notices=1, at=clock.now() - timedelta(minutes=number))
    make.run(lambda: db.session.get_one(Problem, problem).add_tag(f"tag-{number}").id)
    make.notice(1, context={"environment": f"env-{number}"})
    make.run(lambda: Channel.create(db.session.get_one(App, 1), kind="email", name=f"Mail {number}", failures=5).id)
    make.run(lambda: db.session.add(Delivery(channel_id=1, event="new_problem", problem_ids=[problem])))


def statements(app: Flask, client: FlaskClient) -> dict[str, int]:
    """Return the number of statements of each page."""
    numbers = {}
    for page in PAGES:
        client.get(page)
        with counting(app) as found:
            assert client.get(page).status_code == 200
        numbers[page] = len(found)
    return numbers


@pytest.mark.parametrize("person", ["ada@example.com", "lin@example.com"])
def test_a_page_takes_as_many_statements_for_many_rows_as_for_few(
    app: Flask, client: FlaskClient, make: Factory, person: str
) -> None:
    make.user("ada@example.com", site_admin=True)
    team, shop = make.team("Core", make.user("lin@example.com")), make.app("Shop")
    make.assign(team, int(shop["id"]))
    make.problem(1, notices=1, at=clock.now())
    grow(make, 1)
    sign_in(client, person)
    few = statements(app, client)
    for number in range(2, 9):
        grow(make, number)
    many = statements(app, client)
    assert {page: (few[page], many[page]) for page in PAGES if many[page] > few[page]} == {}
