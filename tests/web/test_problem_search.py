"""Searching on the pages: help, errors, and why nothing was found."""

import pytest
from flask.testing import FlaskClient
from markupsafe import Markup

from tests.support.factories import Factory
from tests.support.pages import sign_in

LINE = "TypeError: Cannot read properties of undefined (reading 'currency')"


@pytest.fixture
def admin(client: FlaskClient, make: Factory) -> FlaskClient:
    """Return a signed-in site admin's client; there are two problems."""
    make.user("admin@example.com", site_admin=True)
    app = make.app("Shop")["id"]
    make.problem(app, error_class="TypeError", error_message="Cannot read properties of undefined (reading 'currency')")
    make.problem(app, error_class="KeyError", error_message="'total'", location="total in cart.py")
    sign_in(client, "admin@example.com")
    return client


def page(client: FlaskClient, search: str, status: int = 200) -> str:
    response = client.get("/problems", query_string={"search": search})
    assert response.status_code == status
    return " ".join(Markup(response.text).striptags().split())


def test_a_line_from_a_console_finds_its_problem(admin: FlaskClient) -> None:
    text = page(admin, LINE)
    assert "TypeError Cannot read properties" in text
    assert "KeyError" not in text.partition("How to search")[2].partition("Muted")[2]


def test_an_empty_result_names_what_excludes_everything(admin: FlaskClient) -> None:
    assert "Nothing here matches env:moon." in page(admin, "currency env:moon")
    assert "Nothing here matches any of moon, mars." in page(admin, "currency moon mars")
    assert "There are matches without currency, or without cart.py." in page(admin, "currency cart.py")
    assert (
        "No problem matches this filter."
        in Markup(admin.get("/problems", query_string={"search": "currency", "tags": "nope"}).text).striptags()
    )


def test_the_help_lists_every_token(admin: FlaskClient) -> None:
    text = page(admin, "")
    for token in ("app:", "class:", "env:", "first:", "host:", "is:", "last:", "level:", "release:", "tag:", "times:"):
        assert token in text.partition("How to search")[2], token


def test_an_invalid_token_is_reported_with_what_is_valid(admin: FlaskClient) -> None:
    text = page(admin, "is:lost", 422)
    assert "Search is:lost is unknown." in text or "is:lost is unknown. Use is: with one of new" in text
