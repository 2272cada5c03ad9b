"""Password history, and password hashing outside of write transactions."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from checkend.auth import password_reset
from checkend.cli import main
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.exceptions import DomainError
from checkend.models import OldPassword, User
from checkend.models import user as user_module
from tests.support.factories import Factory
from tests.support.pages import PASSWORD, follow, sign_in, submit

ADA = "ada@example.com"


def test_the_last_five_passwords_are_rejected(make: Factory) -> None:
    user_id = make.user(password="password 0")
    with make.writing() as session:
        user = session.get_one(User, user_id)
        for number in range(1, 7):
            user.set_password(f"password {number}", reject_recent=True)
        for number in range(2, 7):
            with pytest.raises(DomainError, match="one of your last 5"):
                user.set_password(f"password {number}", reject_recent=True)
        user.set_password("password 1", reject_recent=True)
    with make.writing() as session:
        assert session.query(OldPassword).count() == 4
        assert session.get_one(User, user_id).check_password("password 1")


@pytest.fixture
def slow_work(lock_is_free: Callable[[], bool], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list with an entry for each hash that is computed: whether others could write meanwhile."""
    could_write: list[bool] = []

    def recording(original: Callable[..., Any], *arguments: Any) -> Any:
        could_write.append(lock_is_free())
        return original(*arguments)

    for name in ("generate_password_hash", "check_password_hash"):
        original = getattr(user_module, name)
        monkeypatch.setattr(user_module, name, partial(recording, original))
    return could_write


def _others_could_write(slow_work: list[bool], response: TestResponse, *, times: int) -> None:
    assert response.status_code in (200, 201, 302), response.get_data(as_text=True)
    assert slow_work == [True] * times
    slow_work.clear()


def test_others_can_write_while_the_api_hashes_a_password(
    client: FlaskClient, key_for: Callable[[], dict[str, str]], slow_work: list[bool]
) -> None:
    user, headers = {"email_address": "ann@example.com", "password": "long enough"}, key_for()
    _others_could_write(slow_work, client.post("/api/v1/users", json=user, headers=headers), times=1)
    change = {"password": "another horse"}
    _others_could_write(slow_work, client.patch("/api/v1/users/ann", json=change, headers=headers), times=2)


def test_others_can_write_while_passwords_are_compared_and_changed_in_the_dashboard(
    app: Flask, client: FlaskClient, make: Factory, slow_work: list[bool]
) -> None:
    make.user(ADA, site_admin=True)
    sign_in(client, ADA)
    slow_work.clear()
    change: dict[str, object] = {"current": PASSWORD, "password": "another password"}
    _others_could_write(slow_work, submit(client, "/account/password", change), times=3)
    change = {"current": "another password", "password": "one more password"}
    _others_could_write(slow_work, submit(client, "/account/password", change), times=4)

    with app.test_request_context():
        link = f"/new-password/{password_reset.create_token(User.newest_first()[0])}"
    response = submit(app.test_client(), link, {"password": "password by link"}, page=link)
    _others_could_write(slow_work, response, times=4)


def test_others_can_write_while_the_dashboard_hashes_a_new_users_password(
    app: Flask, client: FlaskClient, make: Factory, slow_work: list[bool]
) -> None:
    setup = "/setup/" + (Path(app.instance_path) / "setup_token").read_text().strip()
    fields: dict[str, object] = {"email_address": ADA, "password": PASSWORD, "team_name": "Core", "app_name": "Shop"}
    _others_could_write(slow_work, submit(client, setup, fields, page=setup), times=1)
    _others_could_write(slow_work, submit(client, "/users", {"email_address": "bob@example.com"}), times=1)

    invited: dict[str, object] = {"email_address": "guest@example.com", "role": "member"}
    page = follow(client, submit(client, "/teams/core/invitations", invited))
    link = re.findall(r"/invitations/[\w-]{20,}", page)[0]
    _others_could_write(slow_work, submit(app.test_client(), link, {"password": PASSWORD}, page=link), times=1)


def test_others_can_write_while_a_command_sets_a_password(
    app: Flask, make: Factory, slow_work: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    make.user(ADA)
    slow_work.clear()
    monkeypatch.setenv("CHECKEND_INSTANCE_PATH", app.instance_path)
    command = ["user", "set-password", ADA, "--password-stdin"]
    assert CliRunner().invoke(main, command, input="another password\n").exit_code == 0
    assert slow_work == [True]
    create = ["user", "create", "bob@example.com", "--password-stdin"]
    assert CliRunner().invoke(main, create, input="another password\n").exit_code == 0
    assert slow_work == [True, True]


def test_of_two_requests_that_set_the_same_password_at_once_one_is_rejected(
    app: Flask, client: FlaskClient, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = make.user(ADA)
    sign_in(client, ADA)

    def meanwhile() -> AbstractContextManager[None]:
        taken = OldPassword(user_id=user_id, digest=user_module.NewPassword("same password").digest)
        with ThreadPoolExecutor() as other:  # a thread has a session of its own
            other.submit(make.run, lambda: db.session.add(taken)).result()
        return write_transaction()

    monkeypatch.setattr("checkend.web.views.account.write_transaction", meanwhile)
    response = submit(client, "/account/password", {"current": PASSWORD, "password": "same password"})
    assert response.status_code == 422
    assert "one of your last 5" in response.get_data(as_text=True)
