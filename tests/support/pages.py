"""Helpers that use the dashboard as a browser does."""

import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PASSWORD = "correct horse"


def csrf_token(client: FlaskClient, page: str = "/sign-in") -> str:
    """Return the CSRF token in the forms of ``page``."""
    text = client.get(page).get_data(as_text=True)
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert found, f"{page} has no form"
    return found[1]


def submit(client: FlaskClient, address: str, fields: dict[str, object] | None = None, page: str = "") -> TestResponse:
    """Send a form to ``address`` with the token of ``page`` (by default any page: they share it)."""
    token = csrf_token(client, page or "/account")
    return client.post(address, data={"csrf_token": token} | (fields or {}))


def follow(client: FlaskClient, answer: TestResponse) -> str:
    """Return the page that ``answer`` redirects to."""
    assert answer.status_code == 302, answer.get_data(as_text=True)
    return client.get(answer.location).get_data(as_text=True)


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD) -> None:
    """Sign in through the page."""
    answer = submit(client, "/sign-in", {"email_address": email, "password": password}, page="/sign-in")
    assert answer.status_code == 302, answer.get_data(as_text=True)
