"""Users."""

from typing import Any

import pytest
from sqlalchemy import select

from checkend.models import Invitation, OldPassword, Team, User, UserSession
from tests.support.api import Api, assert_error, assert_times
from tests.support.factories import Factory

PASSWORD = "correct horse"
COMMON = "Password is one of the most common passwords. Choose another."
ANN = {"email_address": "ann@example.com", "password": PASSWORD}


def test_a_new_user_is_not_a_site_admin_and_shows_no_password(api: Api) -> None:
    response = api.post("/users", ANN | {"password_confirmation": PASSWORD})
    assert response.status_code == 201
    user = response.get_json()
    assert_times(user)
    assert list(user) == [
        "id",
        "slug",
        "email_address",
        "site_admin",
        "last_logged_in_at",
        "created_at",
        "updated_at",
    ]
    assert (user["id"], user["slug"], user["email_address"]) == (1, "ann", "ann@example.com")
    assert (user["site_admin"], user["last_logged_in_at"]) == (False, None)
    assert api.get("/users").get_json() == [user]
    assert api.get("/users/ann").get_json() == api.get("/users/1").get_json() == user


def test_a_body_may_be_under_its_root_key(api: Api) -> None:
    assert api.post("/users", {"user": ANN}).status_code == 201


@pytest.mark.parametrize(
    ("address", "normalized", "slug"),
    [
        ("  Ann.Lee+x@Example.COM ", "ann.lee+x@example.com", "ann-lee-x"),
        ("_@example.com", "_@example.com", "user"),
        ("1@example.com", "1@example.com", "user-1"),
        ("o'neil@example.co.uk", "o'neil@example.co.uk", "o-neil"),
        ("x@y.z", "x@y.z", "x"),
        ("e@localhost", "e@localhost", "e"),
        ("Größe@xn--gre-8ka.example", "größe@xn--gre-8ka.example", "gr-e"),
    ],
)
def test_email_addresses_are_trimmed_and_in_lower_case(api: Api, address: str, normalized: str, slug: str) -> None:
    user = api.post("/users", {"email_address": address, "password": PASSWORD}).get_json()
    assert (user["email_address"], user["slug"]) == (normalized, slug)


@pytest.mark.parametrize(
    "address",
    [
        *["ann", "ann@", "@example.com", "@", "a b@example.com", "ann@exa mple.com", "a@b@c.com", "a@b\u2003c"],
        *["a@b\u200b", '"ann"@example.com', *(f"ann{character}b@example.com" for character in ',;:<>()[]"\\')],
        *["ann@example.com,bob@example.com", "ann@[127.0.0.1]", "ann@example.com;b"],
    ],
)
def test_an_email_address_must_be_valid(api: Api, address: str) -> None:
    body = ANN | {"email_address": address}
    assert_error(api.post("/users", body), 422, "Email address is not a valid email address.")


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({}, ["Email address can't be blank.", "Password can't be blank."]),
        (ANN | {"email_address": None}, ["Email address can't be blank."]),
        (ANN | {"email_address": 5}, ["Email address must be text."]),
        (ANN | {"email_address": "a" * 250 + "@example.com"}, ["Email address must be at most 255 characters."]),
        (ANN | {"password": "1234567"}, ["Password must be at least 8 characters."]),
        (ANN | {"password": "Password1"}, [COMMON]),
        (ANN | {"password": "12345678"}, [COMMON]),
        (ANN | {"password": ""}, ["Password must be at least 8 characters."]),
        (ANN | {"password": None}, ["Password can't be blank."]),
        (ANN | {"password": 12345678}, ["Password must be text."]),
        (ANN | {"password": "\ud800" * 8}, ["Password must be valid Unicode text."]),
        (ANN | {"password_confirmation": "other"}, ["Password confirmation doesn't match the password."]),
        (ANN | {"password_confirmation": ""}, ["Password confirmation doesn't match the password."]),
        (ANN | {"name": "Ann"}, ["Unknown field: name."]),
        (ANN | {"password_digest": "x"}, ["Unknown field: password_digest."]),
    ],
)
def test_each_error_is_reported_and_nothing_is_created(api: Api, body: dict[str, Any], messages: list[str]) -> None:
    assert_error(api.post("/users", body), 422, *messages)
    assert api.get("/users").get_json() == []


@pytest.mark.parametrize("blank", ["", "   ", None])
def test_a_blank_password_leaves_the_password_unchanged(api: Api, make: Factory, blank: str | None) -> None:
    api.post("/users", ANN)
    for body in ({"password": blank}, {"password": blank, "password_confirmation": blank}):
        response = api.patch("/users/ann", {"user": body | {"email_address": "new@example.com"}})
        assert response.get_json()["email_address"] == "new@example.com"
    assert_error(
        api.patch("/users/ann", {"password": blank, "password_confirmation": "another horse"}),
        422,
        "Password confirmation doesn't match the password.",
    )
    with make.writing() as session:
        assert session.get_one(User, 1).check_password(PASSWORD)


def test_a_password_is_used_exactly_as_sent(api: Api, make: Factory) -> None:
    password = "  \t日本語🔥  "
    api.post("/users", ANN | {"password": password})
    with make.writing() as session:
        user = session.get_one(User, 1)
        assert user.check_password(password)
        assert not user.check_password(password.strip())


def test_an_email_address_is_unique_in_any_case(api: Api) -> None:
    api.post("/users", ANN)
    again = api.post("/users", ANN | {"email_address": "ANN@example.com"})
    assert_error(again, 422, "Email address has already been taken.")
    api.post("/users", ANN | {"email_address": "bob@example.com"})
    taken = api.patch("/users/bob", {"email_address": " Ann@example.com"})
    assert_error(taken, 422, "Email address has already been taken.")
    assert api.patch("/users/ann", {"email_address": "ANN@example.com"}).status_code == 200


def test_the_same_name_at_another_domain_gets_another_slug(api: Api) -> None:
    api.post("/users", ANN)
    assert api.post("/users", ANN | {"email_address": "ann@example.org"}).get_json()["slug"] == "ann-1"
    assert [user["slug"] for user in api.get("/users").get_json()] == ["ann-1", "ann"]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_change_touches_only_what_is_sent(api: Api, make: Factory, method: str) -> None:
    api.post("/users", ANN)
    changed = api.call(method, "/users/ann", {"email_address": "lee@example.com"}).get_json()
    assert (changed["email_address"], changed["slug"]) == ("lee@example.com", "ann")
    assert api.call(method, "/users/ann", {"password": "another horse"}).status_code == 200
    with make.writing() as session:
        assert session.get_one(User, 1).check_password("another horse")
    for wrong in (
        {"password": "short"},
        {"password": "qwertyuiop"},
        {"password": "long enough", "password_confirmation": "x"},
    ):
        assert_error(api.call(method, "/users/ann", wrong), 422)
    assert_error(
        api.call(method, "/users/ann", {"password_confirmation": "x"}),
        422,
        "Password confirmation doesn't match the password.",
    )


def test_a_response_can_be_sent_back_and_does_not_grant_site_admin(api: Api) -> None:
    user = api.post("/users", ANN | {"site_admin": True}).get_json()
    assert user["site_admin"] is False
    assert api.patch("/users/ann", user | {"site_admin": True, "slug": "x"}).get_json() == user
    assert api.put("/users/ann", {"user": user}).get_json() == user


def test_the_last_five_passwords_are_rejected(api: Api) -> None:
    api.post("/users", ANN)
    used = [PASSWORD, *(f"another horse {number}" for number in range(4))]
    for password in used[1:]:
        assert api.patch("/users/ann", {"password": password}).status_code == 200
    for password in used:
        expected = "Password must not be one of your last 5."
        assert_error(api.patch("/users/ann", {"password": password}), 422, expected)
    assert api.put("/users/ann", {"password": "another horse 4"}).status_code == 200
    assert api.put("/users/ann", {"password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    "change", [{"password": "another horse"}, {"email_address": "thief@example.com"}, {"password": PASSWORD}]
)
def test_a_key_cannot_take_over_a_site_admin(api: Api, make: Factory, method: str, change: dict[str, str]) -> None:
    make.user("root@example.com", PASSWORD, site_admin=True)
    before = api.get("/users/root").get_json()
    expected = (
        "API keys cannot change the email address or password of a site admin. Use the dashboard or "
        "`checkend user set-password`."
    )
    assert_error(api.call(method, "/users/root", change), 403, expected)
    assert api.get("/users/root").get_json() == before
    assert make.run(lambda: User.authenticate("root@example.com", PASSWORD)) is not None
    assert api.call(method, "/users/root", before).get_json() == before  # what was read can be sent back


def test_the_last_site_admin_cannot_be_deleted(api: Api, make: Factory) -> None:
    make.user("root@example.com", site_admin=True)
    assert_error(api.delete("/users/root"), 422, "Cannot delete the last site admin.")
    make.user("second@example.com", site_admin=True)
    assert api.delete("/users/root").status_code == 204
    assert_error(api.delete("/users/second"), 422, "Cannot delete the last site admin.")


def test_a_user_who_owns_teams_cannot_be_deleted(api: Api, make: Factory) -> None:
    make.user("ann@example.com")
    make.user("bob@example.com")
    for name in ("Web", "Core"):
        make.team(name, 1)
    expected = "Cannot delete a user who owns teams. Transfer these teams first: Core, Web."
    assert_error(api.delete("/users/ann"), 422, expected)
    for slug in ("web", "core"):
        api.patch(f"/teams/{slug}", {"owner_id": 2})
    assert api.delete("/users/ann").status_code == 204
    assert [member["user_id"] for member in api.get("/teams/core/members").get_json()] == [2]


def test_the_last_admin_of_a_team_cannot_be_deleted(api: Api, make: Factory) -> None:
    make.user("ann@example.com")
    make.user("bob@example.com")
    make.team("Core", 1)
    api.post("/teams/core/members", {"user_id": 2, "role": "admin"})
    api.delete("/teams/core/members/1")
    message = "Cannot delete the last admin of a team. Make another member an admin first: Core."
    assert_error(api.delete("/users/bob"), 422, message)
    api.post("/teams/core/members", {"user_id": 1, "role": "admin"})
    assert api.delete("/users/bob").status_code == 204


def test_deleting_a_user_keeps_the_data_of_others(api: Api, make: Factory) -> None:
    ann, bob = make.user("ann@example.com"), make.user("bob@example.com")
    make.team("Core", ann)
    api.post("/teams/core/members", {"user_id": bob})
    api.patch("/users/bob", {"password": "another horse"})
    with make.writing() as session:
        UserSession.start(session.get_one(User, bob), user_agent="x", address="127.0.0.1")
        Invitation.create(session.get_one(Team, 1), "new@example.com", "member", session.get_one(User, bob))
    assert api.delete("/users/bob").status_code == 204
    assert [member["user_id"] for member in api.get("/teams/core/members").get_json()] == [ann]
    with make.writing() as session:
        assert session.scalars(select(UserSession)).all() == []
        assert session.scalars(select(OldPassword)).all() == []
        assert session.get_one(Invitation, 1).invited_by_id is None


def test_a_new_password_signs_the_user_out(api: Api, make: Factory) -> None:
    ann = make.user("ann@example.com")
    with make.writing() as session:
        UserSession.start(session.get_one(User, ann), user_agent="x", address="127.0.0.1")
    api.patch("/users/ann", {"email_address": "lee@example.com"})
    with make.writing() as session:
        assert len(session.scalars(select(UserSession)).all()) == 1
    api.patch("/users/ann", {"password": "another horse"})
    with make.writing() as session:
        assert session.scalars(select(UserSession)).all() == []


def test_an_unknown_user_is_not_found(api: Api) -> None:
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert_error(api.call(method, "/users/nobody", {"email_address": "x@example.com"}), 404, "User not found.")
