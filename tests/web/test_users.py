"""Users, for site admins."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.models import User
from tests.support.factories import Factory
from tests.support.pages import follow, sign_in, submit


@pytest.fixture(autouse=True)
def admin(client: FlaskClient, make: Factory) -> FlaskClient:
    """Provide a browser in which the site admin ada is signed in."""
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    return client


def _page_after(client: FlaskClient, address: str, fields: dict[str, str] | None = None) -> str:
    return client.get(submit(client, address, fields).location).get_data(as_text=True)


def _link(text: str) -> str:
    link = re.search(r"<code>http://localhost(/new-password/[\w.-]+)</code>", text)
    assert link
    return link[1]


def test_a_new_user_sets_a_password_with_the_link(app: Flask, admin: FlaskClient, make: Factory) -> None:
    answer = submit(admin, "/users", {"email_address": "Bob@example.com"})
    link, bob = _link(follow(admin, answer)), app.test_client()
    assert submit(bob, link, {"password": "bobs password"}, page=link).status_code == 302
    assert bob.get("/account").status_code == 200
    assert bob.get("/users").status_code == 403
    assert "/new-password/" not in admin.get("/users").get_data(as_text=True)


@pytest.mark.parametrize("email", ["bob@example.com", None])
def test_the_server_hashes_no_password_for_users_who_may_not_create_users(
    app: Flask, admin: FlaskClient, make: Factory, monkeypatch: pytest.MonkeyPatch, email: str | None
) -> None:
    make.user("bob@example.com")
    client = app.test_client()
    if email:
        sign_in(client, email)
    hashed: list[str] = []
    monkeypatch.setattr("checkend.models.user.generate_password_hash", hashed.append)
    answer = submit(client, "/users", {"email_address": "eve@example.com"}, page="/sign-in" if not email else "")
    assert answer.status_code == (403 if email else 302)
    assert hashed == []


def test_a_new_user_can_be_a_site_admin(admin: FlaskClient, make: Factory) -> None:
    submit(admin, "/users", {"email_address": "bob@example.com", "site_admin": "y"})
    assert make.run(lambda: [user.site_admin for user in User.newest_first()]) == [True, True]


@pytest.mark.parametrize(("address", "sentence"), [("bob", "not a valid"), ("ADA@example.com", "already been taken")])
def test_an_address_that_cannot_be_used_makes_no_user(
    admin: FlaskClient, make: Factory, address: str, sentence: str
) -> None:
    answer = submit(admin, "/users", {"email_address": address})
    assert answer.status_code == 422
    assert sentence in answer.get_data(as_text=True)
    assert make.run(lambda: len(User.newest_first())) == 1


def test_a_password_link_lets_a_user_back_in(app: Flask, admin: FlaskClient, make: Factory) -> None:
    make.user("bob@example.com")
    link = _link(follow(admin, submit(admin, "/users/bob/password-link")))
    bob = app.test_client()
    submit(bob, link, {"password": "battery staple"}, page=link)
    sign_in(app.test_client(), "bob@example.com", "battery staple")


def test_reloading_the_page_with_a_password_link_neither_creates_nor_shows_another(admin: FlaskClient) -> None:
    for answer in (
        submit(admin, "/users", {"email_address": "bob@example.com"}),
        submit(admin, "/users/bob/password-link"),
    ):
        assert "Password link for bob@example.com" in follow(admin, answer)
        assert "/new-password/" not in follow(admin, answer)


def test_site_admin_is_granted_and_removed_and_counts_at_once(app: Flask, admin: FlaskClient, make: Factory) -> None:
    make.user("bob@example.com")
    bob = app.test_client()
    sign_in(bob, "bob@example.com")
    assert bob.get("/users").status_code == 403
    assert "is now a site admin" in _page_after(admin, "/users/bob/site-admin", {"grant": "yes"})
    assert bob.get("/users").status_code == 200
    assert "is no longer a site admin" in _page_after(bob, "/users/ada/site-admin", {"grant": "no"})
    assert admin.get("/users").status_code == 403


def test_site_admins_cannot_demote_or_delete_themselves(admin: FlaskClient, make: Factory) -> None:
    assert "You cannot change your own role." in _page_after(admin, "/users/ada/site-admin", {"grant": "no"})
    assert "You cannot delete your own account." in _page_after(admin, "/users/ada/delete")
    assert make.run(lambda: [user.site_admin for user in User.newest_first()]) == [True]


def test_a_user_can_be_deleted_unless_they_own_a_team(admin: FlaskClient, make: Factory) -> None:
    make.team("Core", make.user("bob@example.com"))
    make.user("eve@example.com")
    assert "Transfer these teams first: Core" in _page_after(admin, "/users/bob/delete")
    assert "Deleted user eve@example.com." in _page_after(admin, "/users/eve/delete")
    assert submit(admin, "/users/eve/delete").status_code == 404
    assert make.run(lambda: {user.email_address for user in User.newest_first()}) == {
        "ada@example.com",
        "bob@example.com",
    }


def test_users_are_shown_by_the_page_and_found_by_address(admin: FlaskClient, make: Factory) -> None:
    for number in range(60):
        make.user(f"user{number}@example.com")
    first, second = (admin.get(f"/users?page={page}").get_data(as_text=True) for page in (1, 2))
    assert "50 of 61" in first
    assert ("user59@" in first, "ada@example.com</span>" in first) == (True, False)
    assert ("user59@" in second, "ada@example.com</span>" in second) == (False, True)
    found = admin.get("/users?search=USER5@").get_data(as_text=True)
    assert found.count('<span class="title">') == 1
    assert "No matching users" in admin.get("/users?search=%25").get_data(as_text=True)
    for page in ("x", "-1", "0", "99999999999999999999"):
        assert admin.get(f"/users?page={page}").status_code == 200
