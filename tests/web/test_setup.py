"""First-run setup: only the printed token lets someone create the first site admin."""

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.models import App, Team, User
from checkend.services import services
from tests.support.factories import Factory
from tests.support.pages import csrf_token, submit

FIELDS = {
    "email_address": "Ada@Example.com",
    "password": "correct horse",
    "team_name": "Platform",
    "app_name": "Web shop",
}


@pytest.fixture
def address(app: Flask) -> str:
    """Provide the path of the setup page."""
    return "/setup/" + (Path(app.instance_path) / "setup_token").read_text().strip()


def test_the_start_prints_the_address_of_the_setup_page_until_there_is_an_admin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for number in range(3):
        app = create_app({"PORT": 9123}, instance_path=tmp_path / "i")
        printed.append([line.strip() for line in capsys.readouterr().err.splitlines() if "/setup/" in line])
        if number == 1:
            Factory(app).user(site_admin=True)
        services(app).close()
    assert printed[0] == printed[1]
    assert printed[0][0].startswith("http://127.0.0.1:9123/setup/")
    assert printed[2] == []
    assert not (tmp_path / "i" / "setup_token").exists()


def test_only_its_owner_may_read_the_token(app: Flask) -> None:
    mode = os.stat(Path(app.instance_path) / "setup_token").st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_setup_makes_admin_team_and_app_and_leads_to_the_apps_page(
    app: Flask, client: FlaskClient, make: Factory, address: str
) -> None:
    answer = submit(client, address, FIELDS, page=address)
    assert answer.location == "/apps/web-shop"
    page = client.get(answer.location).get_data(as_text=True)

    def check() -> str:
        user, team, shop = User.with_email_address("ada@example.com"), Team.newest_first()[0], App.newest_first()[0]
        assert user is not None
        assert user.site_admin
        assert (team.name, team.owner, team.apps) == ("Platform", user, [shop])
        return shop.ingestion_key

    assert make.run(check) in page
    assert client.get("/users").status_code == 200
    assert client.get(address).status_code == 404


def test_without_the_token_there_is_no_setup(client: FlaskClient, address: str) -> None:
    token = csrf_token(client)
    for wrong in ("/setup", "/setup/", "/setup/x", address[:-1], address + "x", "/setup/é"):
        assert client.get(wrong).status_code == 404
        assert client.post(wrong, data=FIELDS | {"csrf_token": token}).status_code == 404


def test_where_there_is_an_admin_even_the_token_opens_nothing(client: FlaskClient, make: Factory, address: str) -> None:
    make.user(site_admin=True)
    assert client.get(address).status_code == 404
    assert client.post(address, data=FIELDS | {"csrf_token": csrf_token(client)}).status_code == 404


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("email_address", "ada", "Email address is not a valid email address."),
        ("email_address", "", "Email address can"),
        ("password", "seven77", "Password must be at least 8 characters."),
        ("team_name", " ", "Team name can"),
        ("app_name", "x" * 256, "App name must be at most 255 characters."),
        ("app_name", "a\x00b", "App name must not contain control characters."),
    ],
)
def test_invalid_values_are_reported_and_nothing_is_created(
    client: FlaskClient, make: Factory, address: str, field: str, value: str, sentence: str
) -> None:
    answer = submit(client, address, FIELDS | {field: value}, page=address)
    assert answer.status_code == 422
    assert sentence in answer.get_data(as_text=True)
    assert make.run(lambda: (User.newest_first(), Team.newest_first(), App.newest_first())) == ([], [], [])
    assert submit(client, address, FIELDS, page=address).status_code == 302


def test_of_two_setups_at_the_same_time_one_succeeds(app: Flask, make: Factory, address: str) -> None:
    clients = [app.test_client() for _ in range(4)]
    tokens = [csrf_token(client, address) for client in clients]
    statuses: list[int] = []

    def go(number: int) -> None:
        fields: dict[str, Any] = FIELDS | {"email_address": f"{number}@example.com", "csrf_token": tokens[number]}
        statuses.append(clients[number].post(address, data=fields).status_code)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [302, 404, 404, 404]
    assert len(make.run(User.newest_first)) == 1


def test_before_setup_the_sign_in_page_says_what_to_do(client: FlaskClient, make: Factory) -> None:
    assert "This server has not been set up yet" in client.get("/sign-in").get_data(as_text=True)
    make.user(site_admin=True)
    assert "This server has not been set up yet" not in client.get("/sign-in").get_data(as_text=True)
