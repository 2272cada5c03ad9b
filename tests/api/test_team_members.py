"""The members of a team."""

from typing import Any

import pytest

from tests.support.api import Api, assert_error, assert_times
from tests.support.factories import Factory

MEMBERS = "/teams/core/members"


@pytest.fixture(autouse=True)
def records(make: Factory) -> None:
    """Create Ann, who owns two teams (members 1 and 2), and Bob (user 2), who is in no team."""
    make.user("ann@example.com")
    make.user("bob@example.com")
    make.team("Core", 1)
    make.team("Other", 1)


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": 2},
        {"user_id": "bob"},
        {"email_address": " BOB@example.com"},
        {"member": {"user_id": 2, "email_address": "bob@example.com"}},
        {"team_member": {"user_id": 2}},
    ],
)
def test_a_member_is_added_by_id_or_email_address(api: Api, body: dict[str, Any]) -> None:
    response = api.post(MEMBERS, body)
    assert response.status_code == 201
    member = response.get_json()
    assert list(member) == ["id", "team_id", "user_id", "role", "user", "created_at", "updated_at"]
    assert (member["team_id"], member["user_id"], member["role"]) == (1, 2, "member")
    assert member["user"] == api.get("/users/bob").get_json()
    assert_times(member)
    assert api.get(MEMBERS).get_json()[1] == member


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"user_id": 99}, "User not found"),
        ({"user_id": "nobody"}, "User not found"),
        ({"email_address": "nobody@example.com"}, "User not found"),
        ({"user_id": 1}, "User is already a member of this team"),
        ({"email_address": "ann@example.com"}, "User is already a member of this team"),
        ({"user_id": 2, "email_address": "ann@example.com"}, "User id and email address belong to different users."),
        ({}, "User id or email address can't be blank."),
        ({"role": "member"}, "User id or email address can't be blank."),
        ({"user_id": None}, "User id can't be blank."),
        ({"email_address": ""}, "Email address can't be blank."),
        ({"user_id": 2, "role": "king"}, "Role must be one of owner, admin, developer, member, viewer."),
        ({"user_id": 2, "role": None}, "Role can't be blank."),
        ({"user_id": 2, "rank": 1}, "Unknown field: rank."),
    ],
)
def test_each_error_is_reported(api: Api, body: dict[str, Any], message: str) -> None:
    assert_error(api.post(MEMBERS, body), 422, message)
    assert len(api.get(MEMBERS).get_json()) == 1


def test_members_are_listed_by_role_then_oldest_first(api: Api, make: Factory) -> None:
    for number, role in enumerate(["viewer", "member", "owner", "developer", "viewer", "admin"], start=3):
        user_id = make.user(f"u{number}@example.com")
        api.post(MEMBERS, {"user_id": user_id, "role": role})
    roles = [(member["role"], member["user_id"]) for member in api.get(MEMBERS).get_json()]
    assert roles == [
        ("owner", 5),
        ("admin", 1),
        ("admin", 8),
        ("developer", 6),
        ("member", 4),
        ("viewer", 3),
        ("viewer", 7),
    ]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_role_can_be_changed(api: Api, method: str) -> None:
    member_id = api.post(MEMBERS, {"user_id": 2}).get_json()["id"]
    changed = api.call(method, f"{MEMBERS}/{member_id}", {"role": "developer"}).get_json()
    assert (changed["id"], changed["role"]) == (member_id, "developer")
    assert api.call(method, f"{MEMBERS}/{member_id}", {}).get_json() == changed
    sent_back = api.call(method, f"{MEMBERS}/{member_id}", {"member": changed | {"user_id": 1}})
    assert sent_back.get_json() == changed
    assert_error(
        api.call(method, f"{MEMBERS}/{member_id}", {"role": "king"}),
        422,
        "Role must be one of owner, admin, developer, member, viewer.",
    )


def test_the_last_admin_cannot_be_removed_or_demoted(api: Api) -> None:
    api.post(MEMBERS, {"user_id": 2, "role": "developer"})
    assert_error(api.delete(f"{MEMBERS}/1"), 422, "Cannot remove the last admin from the team")
    for role in ("developer", "member", "viewer"):
        assert_error(api.patch(f"{MEMBERS}/1", {"role": role}), 422, "Cannot demote the last admin of the team")
    assert api.patch(f"{MEMBERS}/1", {"role": "owner"}).get_json()["role"] == "owner"
    assert_error(api.delete(f"{MEMBERS}/1"), 422, "Cannot remove the last admin from the team")
    assert api.get(MEMBERS).get_json()[0]["user_id"] == 1


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_an_owner_counts_as_an_admin(api: Api, role: str) -> None:
    api.post(MEMBERS, {"user_id": 2, "role": role})
    assert api.delete(f"{MEMBERS}/1").status_code == 204
    assert [member["user_id"] for member in api.get(MEMBERS).get_json()] == [2]


def test_a_member_can_be_removed(api: Api) -> None:
    member_id = api.post(MEMBERS, {"user_id": 2}).get_json()["id"]
    assert api.delete(f"{MEMBERS}/{member_id}").status_code == 204
    assert_error(api.delete(f"{MEMBERS}/{member_id}"), 404, "Member not found.")
    assert api.post(MEMBERS, {"user_id": 2}).status_code == 201


def test_a_member_of_another_team_is_not_found(api: Api) -> None:
    for path in (f"{MEMBERS}/2", f"{MEMBERS}/99", f"{MEMBERS}/ann"):
        for method in ("PATCH", "PUT", "DELETE"):
            assert_error(api.call(method, path, {"role": "viewer"}), 404, "Member not found.")
