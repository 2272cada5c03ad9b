"""Helpers that use the dashboard as a browser does."""

import re

from flask import session
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from werkzeug.test import TestResponse

PASSWORD = "correct horse"


def csrf_token(client: FlaskClient, page: str = "/sign-in") -> str:
    """Return the CSRF token in the forms of ``page``."""
    text = client.get(page).get_data(as_text=True)
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert found, f"{page} has no form"
    return found[1]


def shared_token(client: FlaskClient) -> str:
    """Return the token that the forms of any page would have for this browser, without requesting one."""
    with client.session_transaction() as stored, client.application.test_request_context():
        session.update(stored)
        token: str = generate_csrf()
        stored["csrf_token"] = session["csrf_token"]
    return token


def submit(client: FlaskClient, address: str, fields: dict[str, object] | None = None, page: str = "") -> TestResponse:
    """Send a form to ``address`` with the token of ``page``; by default with the one that all pages have."""
    token = csrf_token(client, page) if page else shared_token(client)
    return client.post(address, data={"csrf_token": token} | (fields or {}))


def follow(client: FlaskClient, answer: TestResponse) -> str:
    """Return the page that ``answer`` redirects to."""
    assert answer.status_code == 302, answer.get_data(as_text=True)
    return client.get(answer.location).get_data(as_text=True)


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD) -> None:
    """Sign in through the page."""
    answer = submit(client, "/sign-in", {"email_address": email, "password": password})
    assert answer.status_code == 302, answer.get_data(as_text=True)
